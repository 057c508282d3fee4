/** `ts-dock cp` and `export` of true containers: with their volumes, running or not, and with what they may not be told. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copy } from '../../src/daemon/copy.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import type { CopyStream } from '../../src/flows/values.ts';
import { AT_FDCWD, O } from '../../src/kernel/flags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { swapping } from './copy-rig.ts';
import { eventsOf, running, state, stored, type Running } from '../life/rig.ts';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const UNPACKERS = ['tar', 'gzip', 'gunzip', 'zcat', 'xz', 'unxz', 'bzip2', 'zstd', 'unpigz', 'cp', 'mount'];

const sys = new Kernel();
const NEVER = new Promise<void>(() => undefined);
const NO_STREAM: CopyStream = {
  async *read() {
    // Nothing comes.
  },
  write: () => undefined,
};
const LONG = { runOptions: { timeout: 120_000 } };

describe.skipIf(skipUnlessRoot())('ts-dock cp', () => {
  let box: Sandbox;
  let live: Running;
  const here = (name: string): string => `${box.folder}/${name}`;
  const cp = (...words: readonly string[]): Promise<Done> => box.run(['cp', ...words], { cwd: box.folder });
  const mounts = (): string[] =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${box.root}/overlay/mnt/`));
  /** `live` runs, and has its own; nobody else does. */
  const nothingLeft = (): void => {
    expect(mounts()).toHaveLength(1);
    expect(readdirSync(join(box.root, 'overlay/mnt'))).toHaveLength(1);
    for (const id of readdirSync(join(box.root, 'containers')))
      if (id !== stored(box, 'live')?.ID)
        expect(existsSync(join(box.root, 'containers', id, 'started-by'))).toBe(false);
  };

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    for (const name of ['data', 'fixed']) {
      mkdirSync(here(name));
      writeFileSync(join(here(name), 'v'), `of ${name}\n`);
    }
    writeFileSync(here('f'), 'new\n');
    execFileSync('tar', ['cf', here('f.tar'), '-C', box.folder, 'f']);
    writeFileSync(here('one'), 'one\n');
    const volumes = ['-v', `${here('data')}:/data`, '-v', `${here('fixed')}:/fixed:ro`];
    live = await running(box, 'live', [...volumes, '-v', `${here('one')}:/one`], LONG);
    const liar = "printf '#!/bin/sh\\ntouch /ran\\nexit 1\\n'";
    await live.program.say(
      `for p in ${UNPACKERS.join(' ')}; do rm -f /usr/bin/$p; ${liar} >/usr/bin/$p; chmod 755 /usr/bin/$p; done`,
    );
    const say = ['sh', '-c', 'echo mine >/mine; rm /etc/profile; chown 5:6 /mine'];
    for (const [name, options] of [
      ['dead', []],
      ['locked', ['--read-only']],
    ] as const) {
      const words = ['run', '--net', 'none', '--name', name, ...volumes, ...options];
      await box.run([...words, 'base', ...(name === 'dead' ? say : ['true'])]);
    }
    await box.run(['create', '--net', 'none', '--name', 'unborn', ...volumes, 'base', 'true']);
  }, 60_000);
  // Also where beforeAll broke: a root that stays keeps a range of addresses.
  afterAll(() => box.dispose());

  it.each(['live', 'dead', 'unborn'])('takes and gives files of %s, and of its volumes', async (name) => {
    expect(await cp('f', `${name}:/root/`)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `Successfully copied 4 B to ${name}:/root/\n`,
    });
    expect(await cp('-q', `${name}:/root/f`, 'back')).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(here('back'), 'utf8')).toBe('new\n');
    expect(await cp('-q', `${name}:/data/v`, 'back')).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(here('back'), 'utf8')).toBe('of data\n');
    expect((await cp('-q', 'f', `${name}:/data/of-${name}`)).code).toBe(0);
    expect(readFileSync(join(here('data'), `of-${name}`), 'utf8')).toBe('new\n');
    expect((await cp('-q', `${name}:/fixed/.`, `all-${name}`)).code).toBe(0);
    expect(readdirSync(here(`all-${name}`))).toEqual(['v']);
    const refused = await cp('f', `${name}:/fixed/f`);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain(`cannot copy to ${name}:/fixed/f: the filesystem is read-only`);
    expect(readdirSync(here('fixed'))).toEqual(['v']);
    nothingLeft();
  });

  it('takes nothing into a container that is read-only, but into its volumes, and gives all the same', async () => {
    expect((await cp('f', 'locked:/root/f')).stderr).toContain('the filesystem is read-only');
    expect((await cp('-q', 'f', 'locked:/data/f')).code).toBe(0);
    expect((await cp('-q', 'locked:/etc/passwd', 'passwd')).code).toBe(0);
    nothingLeft();
  });

  it('runs no program of the container, whatever is packed or unpacked', async () => {
    const gzipped = execFileSync('gzip', ['-c', here('f.tar')]);
    writeFileSync(here('f.tar.gz'), gzipped);
    for (const file of ['f.tar', 'f.tar.gz']) {
      const done = execFileSync(
        'sh',
        [
          '-c',
          `"$0" "$@" <${here(file)}`,
          process.execPath,
          join(import.meta.dirname, '../../dist/ts-dock.cjs'),
          '--root',
          box.root,
          'cp',
          '-',
          'live:/root',
        ],
        { encoding: 'utf8' },
      );
      expect(done).toBe('');
    }
    expect((await box.run(['cp', '-', 'live:/root'], { stdin: '\ufffd7zXZ' })).code).toBe(125);
    const tar = execFileSync(
      'sh',
      [
        '-c',
        '"$0" "$@" | tar tf -',
        process.execPath,
        join(import.meta.dirname, '../../dist/ts-dock.cjs'),
        '--root',
        box.root,
        'cp',
        'live:/usr/bin/xz',
        '-',
      ],
      { encoding: 'utf8' },
    );
    expect(tar).toBe('xz\n');
    expect((await live.program.say('ls /ran')).status).not.toBe(0);
    // The control: asked to, they do run.
    expect((await live.program.say('/usr/bin/xz; ls /ran; rm /ran')).output).toContain('/ran');
  });

  it.each([
    ['f', 'live:/proc/f', 'there is no such file or directory'],
    ['f', 'live:/proc/sysrq-trigger', 'cannot copy to live:/proc/sysrq-trigger'],
    ['f', 'live:/proc/sys/kernel/hostname', 'cannot copy to live:/proc/sys/kernel/hostname'],
    ['f', 'live:/sys/f', 'the filesystem is read-only'],
    ['f', 'live:/etc/hosts', 'something is mounted on "hosts"'],
    ['f', 'live:/proc/1/root/f', 'through one of /proc'],
    ['live:/proc/1/cwd/etc', 'x', 'through one of /proc'],
    ['live:/proc', 'x', 'as they are read'],
    ['live:/none', 'x', 'live:/none: there is no such file'],
    ['nobody:/etc', 'x', 'No such container: nobody'],
    ['none', 'live:/', 'none: there is no such file'],
  ])('refuses %s to %s in the words of the kernel', async (from, to, why) => {
    const done = await cp(from, to);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr.replace(/\s+/g, ' ')).toContain(why);
    expect(existsSync(here('x'))).toBe(false);
  });

  it('copies the whole of a container that runs, but not what the kernel makes up', async () => {
    expect((await cp('-q', 'live:/', 'whole')).code).toBe(0);
    expect(readdirSync(here('whole/proc'))).toEqual([]);
    expect(readFileSync(here('whole/data/v'), 'utf8')).toBe('of data\n');
    expect((await cp('-q', 'live:/proc/self/../1/status', 'status')).code).toBe(0);
    expect(readFileSync(here('status'), 'utf8')).toMatch(/^Name:/);
  });

  it('leaves a volume that is a file, and what ts-dock mounts itself, in their places', async () => {
    expect((await cp('f', 'live:/one')).stderr).toContain('something is mounted on "one"');
    expect((await live.program.say('cat /one; grep -c " /one \\| /etc/hosts " /proc/mounts')).output).toBe(
      'one\n2\n',
    );
  });

  it('is not led out by a container that exchanges a folder for a link, in 200 copies each way', async () => {
    mkdirSync(here('victim'));
    writeFileSync(here('victim/f'), 'secret\n');
    const ofVictim = (): string =>
      execFileSync(
        'sh',
        ['-c', `find ${here('victim')} -printf '%p %i %m %T@ %C@\\n'; cat ${here('victim/f')}`],
        { encoding: 'utf8' },
      );
    mkdirSync(here('data/d'));
    writeFileSync(here('data/d/f'), 'mine\n');
    symlinkSync(here('victim'), here('data/l'));
    const before = ofVictim();
    await swapping(here('data/d'), here('data/l'));
    const pid = stored(box, 'live')?.State.Pid ?? 0;
    const root = sys.openat2(AT_FDCWD, `/proc/${pid}/root`, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
    const reasons = new Set<string>();
    for (const name of ['up', 'got']) mkdirSync(here(name));
    writeFileSync(here('up/f'), 'up\n');
    for (let n = 0; n < 200; n += 1) {
      const request = { what: 'path', archive: false, followLinks: false, uid: 0, gid: 0 } as const;
      const inside = n % 2 === 0 ? '/data/d' : '/data/d/f';
      for (const direction of ['out', 'in'] as const) {
        const up = n % 2 === 0 ? here('up/.') : here('up/f');
        const path = direction === 'out' ? here(`got/${n}`) : up;
        const whole = { ...request, direction, inside, here: path };
        await copy(sys, root, 'live', whole, NO_STREAM, NEVER).then(
          () => reasons.add('none'),
          (error: unknown) => reasons.add(error instanceof TsDockError ? error.reason : String(error)),
        );
      }
    }
    sys.close(root);
    expect(
      execFileSync('sh', ['-c', `cd ${box.folder}; grep -rl secret got || true`], { encoding: 'utf8' }),
    ).toBe('');
    expect(ofVictim()).toBe(before);
    expect(reasons).toContain('none');
    expect([...reasons].filter((each) => each.includes(' '))).toEqual([]);
  }, 60_000);

  it('copies from and to a container that is paused', async () => {
    await box.run(['pause', 'live']);
    expect((await cp('-q', 'f', 'live:/root/paused')).code).toBe(0);
    await box.run(['unpause', 'live']);
    expect((await live.program.say('cat /root/paused')).output).toBe('new\n');
  });

  it('keeps a container that does not run from being started meanwhile, and waits for its turn', async () => {
    const slow = box.start(['cp', '-', 'dead:/root'], { stdin: 'open' });
    const id = stored(box, 'dead')?.ID ?? '';
    const lease = join(box.root, 'containers', id, 'started-by');
    while (!existsSync(lease) || mounts().length < 2) await new Promise(setImmediate);
    const start = box.start(['start', '-a', 'dead']);
    const second = box.start(['cp', 'dead:/mine', here('second')]);
    slow.child.stdin?.end(readFileSync(here('f.tar')));
    expect(await slow.done).toMatchObject({ code: 0, stderr: '' });
    expect(await second.done).toMatchObject({ code: 0 });
    expect(readFileSync(here('second'), 'utf8')).toBe('mine\n');
    expect((await start.done).code).not.toBe(125);
    await state(box, 'dead', ({ Running }) => !Running);
    nothingLeft();
    expect(eventsOf(box, id).filter((each) => each.startsWith('copy'))).toContain('copy /root');
  });

  it('can be ended while it waits for an archive, and leaves nothing', async () => {
    const slow = box.start(['cp', '-', 'dead:/root'], { stdin: 'open' });
    while (mounts().length < 2) await new Promise(setImmediate);
    process.kill(slow.pid, 'SIGINT');
    expect(await slow.done).toMatchObject({ code: 130 });
    nothingLeft();
  });

  it.each(['live', 'dead'])('and export gives the whole root of %s, without its volumes', async (name) => {
    const file = here(`${name}.tar`);
    expect(await box.run(['export', '-o', file, name])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const names = execFileSync('tar', ['tf', file], { encoding: 'utf8' }).split('\n');
    expect(names).toContain('etc/passwd');
    expect(names).not.toContain('data/v');
    expect(names.includes('etc/profile')).toBe(name === 'live');
    expect(names.filter((each) => /^(proc|sys|dev)\/./.test(each))).toEqual([
      'dev/console',
      'dev/pts/',
      'dev/shm/',
    ]);
    expect((await box.run(['export', '-o', '/dev/null', name])).stderr).toContain('it is not a file');
    expect((await box.run(['export', '-o', here('none/x'), name])).code).toBe(125);
    expect(readdirSync(box.folder).filter((each) => each.includes('partial'))).toEqual([]);
    expect(await box.run(['import', file, `of:${name}`])).toMatchObject({ code: 0 });
    const ran = await box.run(['run', '--rm', '--net', 'none', `of:${name}`, 'cat', '/etc/passwd']);
    expect(ran.stdout).toContain('root:');
    nothingLeft();
  });
});
