/**
 * The embedded base image, made of this host's programs as busybox and as many programs, and run by chroot. Overlays are
 * mounted, so it uses rig/census and nothing runs beside it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { FindProgram } from '../../src/daemon/base-image-programs.ts';
import { readImage } from '../../src/daemon/images.ts';
import type { Place } from '../../src/daemon/place.ts';
import { settle, takeCensus, type Census } from '../rig/census.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import {
  ensure,
  expectWhole,
  freshPlace,
  idOf,
  Inside,
  layersOf,
  noBusybox,
  only,
  sys,
} from './base-image-rig.ts';

const variants: readonly [string, FindProgram, boolean][] = [
  ['many programs', noBusybox, false],
  ['busybox', (name) => sys.findProgram(name), skipUnlessProgram('busybox')],
];

for (const [name, find, skipped] of variants) {
  describe.skipIf(skipped || skipUnlessRoot())(`made of ${name}`, () => {
    let place: Place;
    let inside: Inside;
    let said: string[];
    let before: Census;
    // Only what is mounted stays behind if something goes wrong; the image itself is made of files alone.
    const take = (): Census => takeCensus({ root: place.root, only: ['mount'] });

    beforeAll(() => {
      // As the command line has it; what the container sees must not depend on it.
      const umask = process.umask(0o077);
      place = freshPlace();
      before = take();
      said = ensure(place, find);
      process.umask(umask);
      inside = new Inside(place);
    });
    afterAll(async () => {
      inside.end();
      expect(await settle(before, take)).toEqual([]);
    });

    test('says in one line what it did', () => {
      expect(said).toHaveLength(1);
      const id = idOf(place).slice(0, 12);
      const from =
        name === 'busybox' ? "this host's busybox, which is \\d+ programs" : '\\d+ programs of this host';
      expect(said[0]).toMatch(
        new RegExp(`^Made base:latest from ${from}: 3 layers, \\d+\\.\\d MB, id ${id}$`),
      );
    });

    test('has three layers, each of which names its parent, and is whole', () => {
      expectWhole(place);
      const [greeting, programs, skeleton] = layersOf(place).map((id) => readImage(sys, place, id));
      expect([greeting?.parent, programs?.parent, skeleton?.parent]).toEqual([
        programs?.id,
        skeleton?.id,
        undefined,
      ]);
      expect(greeting?.config).toEqual({
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        Cmd: ['/usr/bin/hello-from-ts-dock'],
        WorkingDir: '/',
      });
    });

    test('is made once: the second time asks little and says nothing', () => {
      sys.taken();
      expect(ensure(place, find)).toEqual([]);
      expect(sys.taken().length).toBeLessThan(20);
    });

    test('has the same id in another root, whatever the umask', () => {
      const other = freshPlace();
      ensure(other, find);
      expect(idOf(other)).toBe(idOf(place));
      expect(layersOf(other)).toEqual(layersOf(place));
    });

    test('is root’s, and neither setuid nor writable by others', () => {
      const odd = ['(', '-perm', '/6000', '-o', '!', '-user', '0', '-o', '!', '-group', '0', ')'];
      const open = ['-o', '(', '!', '-type', 'l', '-perm', '/022', '!', '-perm', '-1000', ')'];
      expect(execFileSync('find', [inside.root, ...odd, ...open], { encoding: 'utf8' })).toBe('');
      const mode = (path: string): string => (statSync(join(inside.root, path)).mode & 0o7777).toString(8);
      expect(['', 'tmp', 'root', 'etc', 'etc/passwd', 'usr/bin/hello-from-ts-dock'].map(mode)).toEqual([
        ...['755', '1777', '700', '755', '644', '755'],
      ]);
    });

    test('has no link that leads nowhere, or out of it', () => {
      const links = execFileSync('find', [inside.root, '-type', 'l', '-printf', '%l\n'], {
        encoding: 'utf8',
      });
      expect(links.split('\n').filter((target) => target.startsWith('/'))).toEqual([]);
      expect(execFileSync('find', [inside.root, '-xtype', 'l'], { encoding: 'utf8' })).toBe('');
    });

    test('runs programs, which know the names of users', () => {
      expect(inside.run('/bin/sh', '-c', 'echo one two | cut -d" " -f2; seq 3 | wc -l').text).toBe(
        'two\n3\n',
      );
      expect(inside.run('id').text).toMatch(/^uid=0\(root\) gid=0\(root\)/);
      expect(inside.run('id', 'user').text).toMatch(/^uid=1000\(user\) gid=1000\(user\)/);
      expect(inside.run('ls', '-ld', '/root').text).toMatch(/^drwx------\s+\d+\s+root\s+root\s/);
      expect(
        inside.run('sh', '-c', 'touch /tmp/a && mkdir /tmp/b && rm -r /tmp/a /tmp/b && ls /tmp').text,
      ).toBe('');
    });

    test('greets without /proc, without /dev/null and without complaints', () => {
      const { status, text, errors } = inside.run('/usr/bin/hello-from-ts-dock');
      expect({ status, errors }).toEqual({ status: 0, errors: '' });
      expect(text).toMatch(/^Hello from a container of ts-dock!\n {2}pid {8}\d+\n {2}hostname {3}\S/);
      expect(text).toMatch(/root {7}unknown: there is no \/proc/);
    });

    test('greets and shows where it is', () => {
      inside.mount('proc', join(inside.root, 'proc'));
      const { status, text, errors } = inside.run('/usr/bin/hello-from-ts-dock');
      expect({ status, errors }).toEqual({ status: 0, errors: '' });
      expect(text).toMatch(/\n {2}user {7}uid=0\(root\)/);
      expect(text).toMatch(/\n {2}folder {5}\/\n {2}root {7}overlay, device \d+:\d+\n/);
      expect(text).toMatch(/\n {2}addresses {2}lo 127\.0\.0\.1\/8\n/);
      expect(text).toMatch(/\n {2}processes {2}1 \S+\n/);
      expect(text).toContain(' hello-from-ts-d\n');
      expect(text).not.toMatch(/ $/m);
    });
  });
}

describe.skipIf(skipUnlessRoot())('of many programs', () => {
  test('every one finds its libraries inside', () => {
    const place = freshPlace();
    ensure(place);
    const inside = new Inside(place);
    onTestFinished(() => inside.end());
    const listed = inside
      .run('sh', '-c', 'cd /usr/bin; for p in *; do echo $p; done')
      .text.trim()
      .split('\n');
    const loader = readdirSync(join(inside.root, 'lib64')).find((entry) => entry.startsWith('ld-'));
    expect(listed.length).toBeGreaterThan(20);
    if (loader === undefined) return;
    for (const program of listed.filter((entry) => entry !== 'hello-from-ts-dock')) {
      const { text, errors } = inside.run(`/lib64/${loader}`, '--list', `/usr/bin/${program}`);
      expect(`${program}: ${text}${errors}`).not.toMatch(/not found|cannot open/);
    }
  });

  test('some are enough, and the greeting works with a shell alone', () => {
    const place = freshPlace();
    expect(ensure(place, only('sh', 'cat', 'sed'))[0]).toContain('from 3 programs of this host');
    const inside = new Inside(place);
    onTestFinished(() => inside.end());
    inside.mount('proc', join(inside.root, 'proc'));
    const { status, text, errors } = inside.run('/usr/bin/hello-from-ts-dock');
    expect({ status, errors }).toEqual({ status: 0, errors: '' });
    expect(text).toContain('\n  user       uid=0\n');
    expect(text).toContain(`\n  hostname   ${readFileSync('/proc/sys/kernel/hostname', 'utf8')}`);
  });

  test('without a shell there is no image, and nothing half made', () => {
    const place = freshPlace();
    expect(() => ensure(place, only('cat'))).toThrow(/this host has no shell/);
    expect(ensure(place)).toHaveLength(1);
    expectWhole(place);
  });

  test('a busybox that has no shell, or that is none, is passed over', () => {
    const odd = (name: string): string | undefined =>
      name === 'busybox' ? sys.findProgram('true') : noBusybox(name);
    expect(ensure(freshPlace(), odd)[0]).toMatch(/from \d+ programs of this host/);
  });
});
