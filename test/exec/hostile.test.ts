/**
 * A container that was changed, by whoever is root in it, to wait for the next `exec`. Each case has its positive control:
 * the same look, or the same trick, works where nothing protects.
 */
import { createHash } from 'node:crypto';
import { openSync, closeSync, readFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { expectUnharmed, living, type Living } from './living.ts';

const root = join(import.meta.dirname, '../..');

describe.skipIf(skipUnlessRoot())('a hostile container', () => {
  let box: Sandbox;
  let web: Living;
  const exec = (...args: readonly string[]): Promise<Done> => box.run(['exec', ...args]);
  const inside = async (line: string): Promise<string> => (await web.program.say(line)).output;
  /** Stops with the joining process inside, calls back with its pid there, then goes on. */
  const stopped = async (
    where: string,
    look: (pid: string) => Promise<void>,
    name = 'web',
  ): Promise<Done> => {
    const live = box.start(['exec', '--break', where, name, 'true'], { stdin: 'open' });
    await live.until(new RegExp(where.replace('.', '\\.')));
    const { child } = live;
    const pid = await joinerIn(name);
    await look(pid);
    child.stdin!.write('c\n');
    return live.done;
  };
  let ptracer: Living;
  const joinerIn = async (name: string): Promise<string> => {
    const { program } = name === 'web' ? web : ptracer;
    const found = await program.say(
      'for p in /proc/[0-9]*; do grep -q "ts-dock:.INIT" $p/comm && echo ${p#/proc/}; done 2>/dev/null',
    );
    return found.output.trim();
  };

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    web = await living(box, 'web');
    ptracer = await living(box, 'ptracer', ['--cap-add', 'SYS_PTRACE']);
  });
  afterAll(async () => {
    expectUnharmed(web);
    await web.end();
    await ptracer.end();
    await box.dispose();
  });

  test('who joins cannot be read or traced from inside (CVE-2016-9962)', async () => {
    const look = (pid: string): string => `ls -l /proc/${pid}/fd 2>&1; ls /proc/${pid}/root/ 2>&1`;
    const done = await stopped('exec.open-proc', async (pid) => {
      expect(pid).toMatch(/^\d+$/);
      const seen = await inside(look(pid));
      expect(seen).toMatch(/Permission denied/);
      expect(seen).not.toMatch(/->/);
    });
    expect(done.code).toBe(0);
    // The control: an ordinary process of the container's own can be looked at.
    const pid = (await inside('sleep 1004 & echo $!')).trim();
    expect(await inside(look(pid))).toMatch(/->[^]*etc/);
    await inside(`kill ${pid}; wait ${pid}`);
  });

  test('even who may trace finds nothing of the host in its hands', async () => {
    await stopped(
      'exec.session-tty',
      async (pid) => {
        const { output } = await ptracer.program.say(`ls -l /proc/${pid}/fd`);
        const targets = [...output.matchAll(/-> (.*)$/gm)].map(([, target]) => target ?? '');
        // The control is in the number: the descriptors are really seen.
        expect(targets).toHaveLength(4);
        expect(targets.filter((target) => !/^(pipe|socket):|^\/dev\/null/.test(target))).toEqual([]);
      },
      'ptracer',
    );
  });

  test('it is a sealed copy that runs, which nobody can write to (CVE-2019-5736)', async () => {
    const hash = (): string =>
      createHash('sha256')
        .update(readFileSync(join(root, 'build/dockerinit')))
        .digest('hex');
    const before = hash();
    await stopped(
      'exec.session-tty',
      async (pid) => {
        const { output } = await ptracer.program.say(
          `readlink /proc/${pid}/exe; (echo x > /proc/${pid}/exe) 2>&1`,
        );
        expect(output).toContain('memfd:dockerinit');
        expect(output).toMatch(/Text file busy|Operation not permitted|Permission denied/);
      },
      'ptracer',
    );
    // Executed by itself it says what it is and ends; what it was made of is unchanged.
    const self = await exec('web', '/proc/self/exe');
    expect([125, 126, 127]).toContain(self.code);
    expect(hash()).toBe(before);
    // The control: the same writing does change a file that is not sealed.
    expect(await inside('cp /bin/busybox /tmp/b; (echo x > /tmp/b) 2>&1; wc -c < /tmp/b')).toContain('2');
  });

  test('a user database that is a link is not followed', async () => {
    await inside('cp -a /etc/passwd /tmp/kept; echo "evil:x:0:0::/:/bin/sh" > /tmp/evil');
    for (const [line, why] of [
      ['rm /etc/passwd; ln -s /tmp/evil /etc/passwd', /not a regular file|ELOOP/],
      ['rm /etc/passwd; mkfifo /etc/passwd', /not a regular file/],
      ['rm /etc/passwd; echo "1000:x:0:0::/:/bin/sh" > /etc/passwd', undefined],
    ] as const) {
      await inside(line);
      const done = await exec('-u', '1000', 'web', 'id', '-u');
      if (why === undefined) expect(done.stdout).toBe('1000\n');
      else expect(done).toMatchObject({ code: 125, stderr: expect.stringMatching(why) as string });
    }
    // The control: an ordinary line is believed.
    await inside('rm /etc/passwd; cp /tmp/evil /etc/passwd');
    expect((await exec('-u', 'evil', 'web', 'id', '-u')).stdout).toBe('0\n');
    await inside('cp -a /tmp/kept /etc/passwd');
  });

  test('programs are looked for inside: a replaced entry of PATH is the container’s own affair', async () => {
    const folder = join(box.folder, 'hostbin');
    mkdirSync(folder);
    expect((await exec('-e', `PATH=${folder}`, 'web', 'node')).code).toBe(127);
    await inside(
      'mkdir -p /usr/local/bin; printf "#!/bin/sh\\necho replaced by $(id -u)\\n" > /usr/local/bin/ls; chmod +x /usr/local/bin/ls',
    );
    expect((await exec('web', 'ls')).stdout).toBe('replaced by 0\n');
    await inside('rm /usr/local/bin/ls');
  });

  test('a working directory that was deleted, or is a descriptor, is refused (CVE-2024-21626)', async () => {
    await inside('mkdir /tmp/here; cd /tmp/here');
    expect((await exec('-w', '/proc/1/cwd', 'web', 'pwd')).stdout).toBe('/tmp/here\n');
    await inside('rmdir /tmp/here');
    const gone = await exec('-w', '/proc/1/cwd', 'web', 'pwd');
    expect(gone).toMatchObject({ code: 125, stdout: '' });
    expect(gone.stderr).toContain('the working directory has no path');
    await inside('cd /');
    for (let fd = 3; fd <= 12; fd++)
      expect(await exec('-w', `/proc/self/fd/${fd}`, 'web', 'pwd')).toMatchObject({ code: 125, stdout: '' });
  });

  test('descriptors of the caller do not get in', async () => {
    const fd = openSync('/', 'r');
    const child = spawn(
      'bash',
      [
        '-c',
        'exec 7<&3 200<&3 1000<&3; exec "$@"',
        'bash',
        process.execPath,
        'dist/ts-dock.cjs',
        '--root',
        box.root,
      ].concat(['exec', 'web', 'sh', '-c', 'for f in /proc/$$/fd/*; do echo ${f##*/} $(readlink $f); done']),
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit', fd] },
    );
    closeSync(fd);
    let seen = '';
    child.stdout!.on('data', (bytes: Buffer) => (seen += bytes.toString()));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(seen).toMatch(/^0 /m);
    expect(seen.split('\n').filter((line) => /^\d+ \/$/.test(line))).toEqual([]);
    expect(seen).not.toMatch(/^(7|200|1000) /m);
  });

  test('/dev/null that is something else is refused', async () => {
    await inside('mv /dev/null /dev/kept; ln -s /tmp/evil /dev/null');
    const done = await exec('web', 'true');
    expect(done).toMatchObject({ code: 125 });
    expect(done.stderr).toContain('/dev/null');
    await inside('rm /dev/null; mv /dev/kept /dev/null');
    expect((await exec('web', 'true')).code).toBe(0);
  });
});
