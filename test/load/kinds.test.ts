/**
 * Images that other people's programs have made, and each form that there is: loaded and really run; and what ts-dock saves,
 * read by those programs. Everything is made here, without a network.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archive as debian } from '../../scripts/debian-root.mjs';
import { idOf, tarOfLayout, v1Layout } from '../layouts/rig.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { findProgram, skipUnless, skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';

const SHOWS = '["/bin/cat","/etc/greeting"]';

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('busybox'))('an image', () => {
  let box: Sandbox;
  const at = (...names: string[]): string => join(box.folder, ...names);
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: box.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    mkdirSync(at('tree/bin'), { recursive: true });
    mkdirSync(at('tree/etc'));
    cpSync(findProgram('busybox') ?? '', at('tree/bin/busybox'));
    for (const name of ['sh', 'cat', 'true']) symlinkSync('busybox', at('tree/bin', name));
    writeFileSync(at('tree/etc/greeting'), 'hello\n');
    run('tar', '-C', at('tree'), '-cf', at('layer.tar'), 'bin', 'etc');
  });
  afterAll(async () => {
    await box.dispose();
  });

  /** Loads it, runs it, and gives its id. */
  async function works(args: readonly string[], name: string, stdin?: string): Promise<string> {
    const loaded =
      stdin === undefined ? await box.run(['load', ...args]) : await box.run(['load', ...args], { stdin });
    expect(loaded).toMatchObject({ code: 0, stderr: '' });
    const [, what = ''] = /^Loaded image(?: ID)?: (.+)\n$/.exec(loaded.stdout) ?? [];
    expect(what).toMatch(name === '' ? /^sha256:[0-9a-f]{64}$/ : new RegExp(`^${name}$`));
    expect(await box.run(['run', '--rm', '--net', 'none', what])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
    });
    const listed = await box.run(['inspect', what]);
    return /"id": "(?:sha256:)?([0-9a-f]{64})"/i.exec(listed.stdout)?.[1] ?? '';
  }

  it('as Docker 1.2 saved it runs, with a layer that is a link to another', async () => {
    const ids = [idOf('0'), idOf('1'), idOf('2')] as const;
    const layer = readFileSync(at('layer.tar'));
    const config = { config: { Cmd: JSON.parse(SHOWS) as string[], Env: [] } };
    const layout = v1Layout([layer, layer, layer], { old: { '1.2': ids[2] } }, config);
    layout[`${ids[1]}/layer.tar`] = `-> ../${ids[0]}/layer.tar`;
    layout[`${ids[2]}/layer.tar`] = `-> ../${ids[1]}/layer.tar`;
    writeFileSync(at('v1.tar'), tarOfLayout(layout));
    await works(['-i', 'v1.tar'], 'old:1\\.2');
  });

  describe.skipIf(skipUnlessProgram('umoci') || skipUnlessProgram('skopeo'))('of umoci', () => {
    let id = '';
    beforeAll(() => {
      run('umoci', 'init', '--layout', 'umoci');
      run('umoci', 'new', '--image', 'umoci:v1');
      run('umoci', 'insert', '--image', 'umoci:v1', 'tree', '/');
      run(
        'umoci',
        'config',
        '--image',
        'umoci:v1',
        '--config.cmd',
        '/bin/cat',
        '--config.cmd',
        '/etc/greeting',
      );
      id = run('skopeo', 'inspect', '--config', '--raw', 'oci:umoci:v1');
      id = execFileSync('sha256sum', { input: id, encoding: 'utf8' }).slice(0, 64);
      run('skopeo', 'copy', 'oci:umoci:v1', 'docker-archive:docker.tar:reg.test:5000/me/app:v1');
      run('skopeo', 'copy', 'oci:umoci:v1', 'oci-archive:oci.tar:docker.io/library/app:v2');
      run('tar', '-C', 'umoci', '-czf', 'umoci.tar.gz', '.');
    });

    it('runs from its folder, and from an archive of it', async () => {
      expect(await works(['-i', 'umoci'], '')).toBe(id);
      expect(await works(['-i', 'umoci.tar.gz'], '')).toBe(id);
    });

    it('runs as skopeo saves it, in both forms, compressed and through a pipe', async () => {
      expect(await works(['-i', 'docker.tar'], 'reg\\.test:5000/me/app:v1')).toBe(id);
      expect(await works(['-i', 'oci.tar'], 'app:v2')).toBe(id);
      run('gzip', '-k', 'docker.tar');
      expect(await works(['-q', '-i', 'docker.tar.gz'], 'reg\\.test:5000/me/app:v1')).toBe(id);
      // By a shell, as an archive is no text.
      const load = `exec "${process.execPath}" "${join(import.meta.dirname, '../../dist/ts-dock.cjs')}" --root "${box.root}" load`;
      expect(run('sh', '-c', `zstd -qc oci.tar | (${load})`)).toBe('Loaded image: app:v2\n');
    });

    it('is saved so that others read it, and loaded again it has the same id', async () => {
      await works(['-i', 'docker.tar'], 'reg\\.test:5000/me/app:v1');
      expect(await box.run(['save', '-o', 'ours.tar', 'reg.test:5000/me/app'])).toMatchObject({
        code: 0,
        stdout: '',
        stderr: '',
      });
      expect(
        await box.run(['save', '--format', 'oci', '-o', 'ours-oci.tar', 'reg.test:5000/me/app:v1']),
      ).toMatchObject({ code: 0 });
      for (const source of ['docker-archive:ours.tar', 'oci-archive:ours-oci.tar']) {
        const config = run('skopeo', 'inspect', '--config', '--raw', source);
        expect(execFileSync('sha256sum', { input: config, encoding: 'utf8' })).toContain(id);
        run('skopeo', 'copy', source, `oci:copy:${source.split(':')[0] ?? ''}`);
      }
      mkdirSync(at('unpacked'));
      run('tar', '-C', 'unpacked', '-xf', 'ours-oci.tar');
      run('umoci', 'unpack', '--image', 'unpacked:v1', 'bundle');
      expect(readFileSync(at('bundle/rootfs/etc/greeting'), 'utf8')).toBe('hello\n');
      expect(run('umoci', 'stat', '--image', 'unpacked:v1')).toContain('sha256:');

      await box.run(['rmi', '-f', id]);
      expect(await works(['-i', 'ours.tar'], 'reg\\.test:5000/me/app:v1')).toBe(id);
      await box.run(['rmi', '-f', id]);
      expect(await works(['-i', 'ours-oci.tar'], 'reg\\.test:5000/me/app:v1')).toBe(id);
      // What Docker 1.2.0 would read of it has the same layers, too.
      expect(run('tar', '-tf', 'ours.tar')).toMatch(new RegExp(`^${id}/layer.tar$`, 'm'));
      expect(JSON.parse(run('tar', '-xOf', 'ours.tar', 'repositories'))).toEqual({
        'reg.test:5000/me/app': { v1: id },
      });
    });
  });

  it.skipIf(skipUnlessProgram('buildah'))(
    'of buildah runs, in both forms; what its labels are called is of no matter',
    async () => {
      const buildah = (...args: string[]): string =>
        run('buildah', '--root', at('bs'), '--runroot', at('br'), '--storage-driver', 'vfs', ...args).trim();
      const container = buildah('from', 'scratch');
      buildah('copy', '-q', container, 'tree', '/');
      buildah(
        'config',
        '--cmd',
        SHOWS,
        '--label',
        'run=--privileged -v /:/host',
        '--label',
        'io.ts-dock.root=/',
        container,
      );
      buildah('commit', '-q', container, 'oci-archive:b-oci.tar:me/built:v1');
      buildah('commit', '-q', container, 'docker-archive:b-docker.tar:me/built:v2');
      buildah('rm', container);
      await works(['-i', 'b-oci.tar'], 'me/built:v1');
      await works(['-i', 'b-docker.tar'], 'me/built:v2');
    },
  );

  it('of the archive of a root runs, as it was told to', async () => {
    const imported = await box.run([
      ...['import', '-c', `CMD ${SHOWS}`, '-c', 'ENV A=b', '-m', 'by hand', 'layer.tar', 'root:v1'],
    ]);
    expect(imported).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) as string,
    });
    expect(await box.run(['run', '--rm', '--net', 'none', 'root:v1'])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
    });
    expect((await box.run(['run', '--rm', '--net', 'none', 'root:v1', 'sh', '-c', 'echo $A'])).stdout).toBe(
      'b\n',
    );
    expect((await box.run(['history', 'root:v1'])).stdout).toContain('by hand');
  });

  it.skipIf(skipUnless('there is no root of a Debian', existsSync(debian)))(
    'of debootstrap runs',
    async () => {
      const imported = await box.run([
        'import',
        '-c',
        'CMD ["/bin/bash", "-c", ". /etc/os-release && echo $ID"]',
        debian,
        'deb',
      ]);
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      expect(await box.run(['run', '--rm', '--net', 'none', 'deb'])).toMatchObject({
        code: 0,
        stdout: 'debian\n',
      });
      const apt = await box.run([
        'run',
        '--rm',
        '--net',
        'none',
        'deb',
        'dpkg',
        '--verify',
        'base-files',
        'dpkg',
        'bash',
      ]);
      // Nothing but what the set-up left out.
      expect(apt.stdout.split('\n').filter((line) => line !== '' && !line.includes('/usr/share/'))).toEqual(
        [],
      );
      await box.run(['rmi', 'deb']);
    },
    120_000,
  );

  it('base can be saved as well, and be loaded', async () => {
    expect(await box.run(['save', '-o', 'base.tar', 'base'])).toMatchObject({ code: 0 });
    expect(await box.run(['rmi', 'base'])).toMatchObject({ code: 0 });
    const loaded = await box.run(['load', '-i', 'base.tar']);
    expect(loaded).toMatchObject({ code: 0, stdout: 'Loaded image: base:latest\n' });
    // Not made anew: nothing is said of that.
    const ran = await box.run(['run', '--rm', '--net', 'none', 'base', 'echo', 'hi']);
    expect(ran).toMatchObject({ code: 0, stderr: '', stdout: 'hi\n' });
  });

  describe('save', () => {
    it('to a terminal, of nothing, or where it cannot be written is refused, and leaves what was there', async () => {
      writeFileSync(at('kept'), 'kept');
      expect(await box.run(['save', '-o', 'kept', 'nothing:v1'])).toMatchObject({ code: 125, stdout: '' });
      expect(readFileSync(at('kept'), 'utf8')).toBe('kept');
      expect(await box.run(['save', '-o', 'no/such/folder', 'base'])).toMatchObject({ code: 125 });
      expect(await box.run(['save', '--format', 'zip', 'base'])).toMatchObject({ code: 125 });
      expect(
        run(
          'sh',
          '-c',
          `script -qec '"${process.execPath}" "${join(import.meta.dirname, '../../dist/ts-dock.cjs')}" --root "${box.root}" save base' /dev/null || true`,
        ),
      ).toContain('cannot save to a terminal');
    });

    it('onto a full disk leaves no half of it', async () => {
      const before = readdirSync(box.folder);
      mkdirSync(at('full'));
      const command = `mount -t tmpfs -o size=64k none full && ("$@"; echo $? && ls -A full)`;
      const out = run(
        'unshare',
        '-m',
        'sh',
        '-c',
        command,
        'sh',
        process.execPath,
        join(import.meta.dirname, '../../dist/ts-dock.cjs'),
        '--root',
        box.root,
        'save',
        '-o',
        'full/x.tar',
        'base',
      );
      expect(out).toBe('125\n');
      expect(readdirSync(box.folder).filter((name) => !before.includes(name))).toEqual(['full']);
    });

    it('into a pipe whose reader goes away says so', async () => {
      run('mkfifo', 'slow');
      // Whoever opens a fifo waits for its reader; it is read a little, and then no more.
      const live = box.start(['save', '-o', 'slow', 'base']);
      const reader = execFileSync.bind(undefined, 'head', ['-c', '100', at('slow')]);
      expect(reader()).toHaveLength(100);
      expect((await live.done).code).toBe(125);
    });
  });
});
