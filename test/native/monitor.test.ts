/**
 * The monitor against the real kernel: what PROTOCOL.md promises to the daemon and to clients, and that nothing that a
 * container, a client or a dying daemon does can crash it, hold it up or make it grow.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants as fs,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { binding, buildFolder } from '../../src/kernel/binding.ts';
import { findProgram, skipUnless, skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { baseConfig, changed, NAMESPACES } from './dockerinit-driver.ts';
import { link, makeImage, removeImage } from './dockerinit-rootfs.ts';
import {
  busybox,
  frame,
  monitorProgram,
  must,
  readable,
  Rig,
  sanitizedProgram,
  type Setup,
} from './monitor-rig.ts';

const native = binding();
const { errno, signals } = constants;
const KIB = 1024;

const rigs: Rig[] = [];
const undo: (() => void)[] = [];
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.dispose();
  for (const step of undo.splice(0).reverse()) step();
});
function start(setup: Setup = {}): Rig {
  const rig = new Rig(setup);
  rigs.push(rig);
  return rig;
}

/** Waits for a reader of the fifo and lets it go on. */
async function release(path: string): Promise<void> {
  const writer = await open(path, 'w');
  await writer.write('\n');
  await writer.close();
}
const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const fifo = (path: string): string => {
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  return path;
};
/** Ticks on a processor and voluntary switches: nothing moves them while a process waits in poll(2). */
const effort = (rig: Rig): string => {
  const stat = readFileSync(`/proc/${rig.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return `${stat[11]} ${stat[12]} ${rig.field('voluntary_ctxt_switches')}`;
};
/** A loop that spins, or wakes up by a clock, shows within 100 ms. That nothing happens cannot be waited for. */
async function expectRest(rig: Rig): Promise<void> {
  let before = '';
  while (before !== effort(rig)) {
    before = effort(rig);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(effort(rig)).toBe(before);
}

describe.skipIf(skipUnlessRoot())('the monitor', () => {
  describe('takes its place', () => {
    test('it locks byte 1, leads a session of its own, and holds nothing that it does not need', async () => {
      const rig = start();
      expect(await rig.supervise()).toEqual(['supervising']);
      const locks = readFileSync('/proc/locks', 'utf8');
      expect(locks).toMatch(
        new RegExp(`POSIX +ADVISORY +WRITE ${rig.pid} \\S+:${statSync(rig.lock).ino} 1 1\n`),
      );
      expect(native.lockHolder(rig.lock)).toBe(rig.pid);
      const [, , , , , session] = readFileSync(`/proc/${rig.pid}/stat`, 'utf8').split(' ');
      expect(Number(session)).toBe(rig.pid);
      expect(readFileSync(`/proc/${rig.pid}/comm`, 'utf8')).toBe('ts-dock-monitor\n');
      const { 3: control, 4: lock, ...rest } = rig.fds();
      expect(control).toMatch(/^socket:/);
      expect(lock).toBe(rig.lock);
      expect(Object.values(rest).sort()).toEqual([
        '/dev/null',
        '/dev/null',
        '/dev/null',
        rig.folder,
        rig.log,
        expect.stringMatching(/^socket:/),
      ]);
      expect(lstatSync(rig.socket).mode & 0o777).toBe(0o600);
      await expectRest(rig);
    });

    test('a second one is refused and leaves the first one its socket', async () => {
      const first = await start().begin('read x', { stdin: 'open' });
      const second = start({ base: first.base });
      expect(await second.supervise()).toEqual(['refused', 'fcntl', String(errno.EAGAIN)]);
      expect((await first.attach(0)).said).toEqual([['attached', 'pipes']]);
    });

    test('a stale socket is replaced, and a path longer than a socket address works', async () => {
      const outer = start();
      const base = join(outer.base, 'x'.repeat(120));
      mkdirSync(join(base, 'container'), { recursive: true, mode: 0o700 });
      writeFileSync(join(base, 'container/attach.sock'), 'stale');
      const rig = start({ base });
      expect(await rig.supervise()).toEqual(['supervising']);
      expect(lstatSync(rig.socket).isSocket()).toBe(true);
      const folder = openSync(rig.folder, 'r');
      undo.push(() => closeSync(folder));
      Object.defineProperty(rig, 'socket', { value: `/proc/self/fd/${folder}/attach.sock` });
      expect((await rig.attach(0)).said).toEqual([['attached', 'pipes']]);
    });

    test('links and things that are no file are refused, and the next order may be a good one', async () => {
      const rig = start();
      const at = (name: string): string => join(rig.base, name);
      writeFileSync(at('victim'), 'untouched');
      symlinkSync('victim', at('log-link'));
      symlinkSync('container', at('folder-link'));
      symlinkSync('lock', at('lock-link'));
      fifo(at('fifo'));
      mkdirSync(at('open'), { mode: 0o755 });
      chmodSync(at('open'), 0o755);
      const refusals: [Parameters<Rig['supervise']>[0], string, number][] = [
        [{ log: at('log-link') }, 'openat', errno.ELOOP],
        [{ log: at('container') }, 'openat', errno.EISDIR],
        [{ log: at('fifo') }, 'openat', errno.ENXIO],
        [{ log: '/dev/null' }, 'openat', errno.EINVAL],
        [{ folder: at('folder-link') }, 'openat', errno.ENOTDIR],
        [{ folder: at('victim') }, 'openat', errno.ENOTDIR],
        [{ folder: at('open') }, 'fstat', errno.EPERM],
        [{ lock: at('lock-link') }, 'openat', errno.ELOOP],
        [{ lock: at('absent') }, 'openat', errno.ENOENT],
      ];
      for (const [order, call, number] of refusals) {
        expect(await rig.supervise(order)).toEqual(['refused', call, String(number)]);
        expect(native.lockHolder(rig.lock)).toBe(0);
      }
      expect(readFileSync(at('victim'), 'utf8')).toBe('untouched');
      expect(existsSync(at('absent'))).toBe(false);
      expect(await rig.supervise()).toEqual(['supervising']);
    });

    test('a program that cannot be cloned is refused with the call that failed', async () => {
      const rig = start();
      await rig.supervise();
      const idle = Object.keys(rig.fds());
      await expect(rig.clone(rig.lock, ['x'])).rejects.toThrow(`refused execveat ${errno.EACCES}`);
      await expect(rig.clone(busybox, ['true'], 0, '/absent')).rejects.toThrow(
        `refused chdir ${errno.ENOENT}`,
      );
      // It answers first, and closes what came with the order then.
      await expect.poll(() => Object.keys(rig.fds())).toEqual(idle);
      await rig.shell('exit 4');
      expect((await rig.exited()).slice(0, 2)).toEqual(['exited', '4']);
    });
  });

  describe('the container', () => {
    test('gets its streams and the sync pipe as 3, no environment, no other descriptor', async () => {
      const rig = start();
      await rig.supervise({ log: '' });
      await rig.clone(busybox, ['sh', '-c', 'cd /proc/$$/fd; for n in *; do readlink $n; done; env']);
      // Without attach nobody hears it, so the end of the pipes says that it went on.
      expect((await rig.exited()).slice(0, 2)).toEqual(['exited', '0']);
      const again = await start().begin(
        'cd /proc/$$/fd; for n in *; do readlink $n; done; cat /proc/$$/environ; :',
      );
      await again.exited();
      expect(again.entries.map((entry) => entry.log.replace(/\d+/, ''))).toEqual([
        '/dev/null\n',
        'pipe:[]\n',
        'pipe:[]\n',
        'socket:[]\n',
      ]);
      expect(existsSync(rig.log)).toBe(false);
    });

    test('in namespaces of its own it is process 1, and what it left behind ends with it', async () => {
      const rig = start();
      await rig.supervise();
      await rig.shell('sleep 1000 & echo $$', NAMESPACES);
      await rig.exited();
      expect(rig.logged('stdout')).toBe('1\n');
    });

    test('has ended: exit.json, the frame, and a zombie until the daemon is done with it', async () => {
      const rig = await start().begin('echo $((1+1)); kill -TERM $$');
      const { pid } = rig.container!;
      const [how, status, user, system, at] = await rig.exited();
      expect([how, status]).toEqual(['killed', String(signals.SIGTERM)]);
      expect(rig.exit).toEqual({
        how: 'killed',
        status: signals.SIGTERM,
        userTime: Number(user),
        systemTime: Number(system),
        at: Number(at),
        wall: expect.any(Number) as number,
      });
      expect(Math.abs(Number(rig.exit['wall']) - Date.now())).toBeLessThan(60_000);
      expect(Number(at)).toBeLessThanOrEqual(Number(process.hrtime.bigint()));
      expect(Number(at)).toBeGreaterThan(Number(process.hrtime.bigint()) - 60e9);
      expect(statSync(join(rig.folder, 'exit.json')).mode & 0o777).toBe(0o600);
      expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /);
      expect(await rig.bye()).toMatchObject({ how: 'exited', status: 0 });
      expect(alive(pid)).toBe(false);
      expect(readdirSync(rig.folder)).toEqual(['exit.json']);
    });

    test('what outlives it and holds its pipes does not hold the monitor', async () => {
      const rig = await start().begin('sleep 1000 & echo $!');
      await rig.exited();
      native.kill(Number(rig.logged('stdout')), 9);
      const babbling = start();
      const pid = join(babbling.base, 'pid');
      await babbling.begin(`(while echo x; do :; done) & echo $! >${pid}`, { log: '' });
      expect((await babbling.exited()).slice(0, 2)).toEqual(['exited', '0']);
      native.kill(Number(readFileSync(pid)), 9);
    });

    test('dies with the monitor', async () => {
      const rig = await start().begin('read x', { stdin: 'open' });
      native.pidfdSend(rig.pidfd, 9);
      await readable(rig.container!.pidfd);
      expect(await rig.end()).toMatchObject({ how: 'killed', status: 9 });
    });
  });

  describe('the log', () => {
    test('is one object a line, with the stream and the time', async () => {
      const before = Date.now();
      const rig = await start().begin(`printf 'one\\ntwo\\n'; printf 'three' >&2; printf '\\n'`);
      await rig.exited();
      const text = readFileSync(rig.log, 'utf8');
      const time = String.raw`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"`;
      expect(text).toMatch(new RegExp(String.raw`^\{"log":"one\\n","stream":"stdout",${time}\}\n`));
      expect(rig.entries.map((entry) => [entry.stream, entry.log]).sort()).toEqual([
        ['stderr', 'three'],
        ['stdout', '\n'],
        ['stdout', 'one\n'],
        ['stdout', 'two\n'],
      ]);
      for (const { time: at } of rig.entries) {
        expect(Date.parse(at)).toBeGreaterThanOrEqual(before - 1);
        expect(Date.parse(at)).toBeLessThanOrEqual(Date.now() + 1);
      }
      expect(statSync(rig.log).mode & 0o777).toBe(0o600);
    });

    test('is appended to', async () => {
      const rig = start();
      writeFileSync(rig.log, '{"log":"before\\n","stream":"stdout","time":"x"}\n', { mode: 0o644 });
      await rig.begin('echo after');
      await rig.exited();
      expect(rig.logged('stdout')).toBe('before\nafter\n');
      expect(statSync(rig.log).mode & 0o777).toBe(0o600);
    });

    test('has control characters, quotes and backslashes as JSON wants them', async () => {
      const all = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
      const rig = start();
      writeFileSync(join(rig.base, 'all'), all);
      await rig.begin(`cat ${rig.base}/all`);
      await rig.exited();
      expect(rig.logged('stdout')).toBe(all.toString());
      expect(readFileSync(rig.log).filter((byte) => byte < 0x20 && byte !== 10)).toHaveLength(0);
      expect(readFileSync(rig.log).toString('utf8')).toContain('\\u0000\\u0001');
    });

    test('cuts a line of more than 16 KiB, never within a character', async () => {
      const rig = start();
      const lines = [16_383, 16_384, 16_385, 40_000].map((size) => `${'a'.repeat(size)}\n`);
      // U+1F600 begins one, two and three bytes before the limit.
      const across = [16_383, 16_382, 16_381].map((size) => `${'b'.repeat(size)}😀${'c'.repeat(9)}\n`);
      const text = [...lines, ...across, 'no newline'].join('');
      writeFileSync(join(rig.base, 'text'), text);
      await rig.begin(`cat ${rig.base}/text`);
      await rig.exited();
      expect(rig.logged('stdout')).toBe(text);
      const sizes = rig.entries.map((entry) => Buffer.byteLength(entry.log));
      expect(sizes).toEqual([
        ...[16_384, 16_384, 1, 16_384, 2, 16_384, 16_384, 7233],
        ...[16_383, 14, 16_382, 14, 16_381, 14, 10],
      ]);
    });

    test('what is not UTF-8 becomes U+FFFD, and a character may come in two reads', async () => {
      const rig = start();
      const [first, second] = [fifo(join(rig.base, 'first')), fifo(join(rig.base, 'second'))];
      const broken = String.raw`\300\200 \355\240\200 \364\220\200\200 \360\237\n \377\376\342\202`;
      await rig.begin(
        `printf '${broken}'; read x <${first}; printf '\\254\\n\\360\\237'; read x <${second}; printf x`,
      );
      const client = await rig.attach(0);
      const bytes = Buffer.from([
        ...[0xc0, 0x80, 0x20, 0xed, 0xa0, 0x80, 0x20, 0xf4, 0x90, 0x80, 0x80, 0x20, 0xf0, 0x9f, 0x0a, 0x20],
        ...[0xff, 0xfe, 0xe2, 0x82, 0xac, 0x0a, 0xf0, 0x9f, 0x78],
      ]);
      await release(first);
      await client.until((each) => each.out.includes(Buffer.from([0xac, 0x0a, 0xf0, 0x9f])));
      await release(second);
      await rig.exited();
      expect(rig.logged('stdout')).toBe(bytes.toString());
      expect(rig.logged('stdout')).toContain('\ufffd\ufffd€\n\ufffdx');
    });

    test('any bytes at all come out as Node would decode them', async () => {
      const rig = start();
      const noise = Buffer.concat(
        Array.from({ length: 40 }, (_, n) =>
          Buffer.from(randomBytes(8 * KIB).map((byte) => (n % 2 === 0 ? byte : byte | 0x80))),
        ),
      );
      writeFileSync(join(rig.base, 'noise'), noise);
      await rig.begin(`cat ${rig.base}/noise`);
      await rig.exited();
      expect(rig.logged('stdout') === noise.toString()).toBe(true);
      expect(Math.max(...rig.entries.map((entry) => entry.log.length))).toBeLessThanOrEqual(16 * KIB);
    });

    test.skipIf(skipUnlessProgram('prlimit'))(
      'that cannot be written costs whole lines, not the container',
      async () => {
        const rig = start();
        await rig.supervise();
        const set = spawnSync(findProgram('prlimit')!, ['--pid', String(rig.pid), '--fsize=1000']);
        expect(set.status).toBe(0);
        await rig.shell(
          'for n in 1 2 3 4 5 6 7 8 9; do echo $n; echo $n$n$n; done; head -c 100000 /dev/zero',
        );
        expect((await rig.exited()).slice(0, 2)).toEqual(['exited', '0']);
        expect(statSync(rig.log).size).toBeLessThanOrEqual(1000);
        expect(rig.entries[0]!.log).toBe('1\n');
        expect(rig.entries.length).toBeGreaterThan(8);
      },
    );
  });

  describe('attach', () => {
    test('two clients see the same, and one of them speaks and closes standard input', async () => {
      const rig = start();
      await rig.supervise({ stdin: 'open' });
      const speaker = await rig.attach(1);
      const looker = await rig.attach(0);
      await rig.shell('echo error >&2; cat; echo end');
      speaker
        .send('in', 'hello\n')
        .send('in', '')
        .send('in', Buffer.from([0, 10]))
        .send('eof')
        .send('in', 'late');
      await Promise.all([speaker.end(), looker.end()]);
      for (const client of [speaker, looker]) {
        expect(client.out.toString()).toBe('hello\n\0\nend\n');
        expect(client.err.toString()).toBe('error\n');
        expect(client.said[0]).toEqual(['attached', 'pipes']);
      }
      const exit = await rig.exited();
      expect(speaker.exited).toEqual(['exited', ...exit]);
      expect(looker.exited).toEqual(['exited', ...exit]);
      expect((await rig.client().send('attach', 0).end()).said).toEqual([
        ['attached', 'pipes'],
        ['exited', ...exit],
      ]);
    });

    test('what is typed before the container is there, or by a client that left, is not lost', async () => {
      const rig = start();
      await rig.supervise({ stdin: 'open' });
      const gone = await rig.attach(1);
      gone
        .send('in', Buffer.alloc(200 * KIB, 'x'))
        .send('eof')
        .socket.end();
      await rig.shell('wc -c');
      await rig.exited();
      expect(rig.logged('stdout')).toBe(`${200 * KIB}\n`);
    });

    test('input that nobody takes stops its sender, not the others, and does not make the monitor spin', async () => {
      const rig = await start().begin('sleep 1000', { stdin: 'open' });
      const flood = await rig.attach(1);
      flood.send('in', Buffer.alloc(1024 * KIB, 'x'));
      const other = await rig.attach(0);
      await expectRest(rig);
      flood.socket.destroy();
      await expectRest(rig);
      other.send('resize', 1, 1);
      native.pidfdSend(rig.container!.pidfd, 9);
      await other.end();
      expect(other.exited?.slice(0, 3)).toEqual(['exited', 'killed', '9']);
    });

    test('a container that closes its standard input does not hold up who types', async () => {
      const go = '3>&1';
      const rig = await start().begin(`exec <&- ${go}; echo closed; read x <&3`, { stdin: 'open' });
      const client = await rig.attach(1);
      client.send('in', Buffer.alloc(1024 * KIB, 'x')).send('resize', 1, 2);
      await new Promise<void>((resolve) => client.socket.write(frame('eof'), () => resolve()));
      await expectRest(rig);
    });

    test('a slow client makes the container wait, loses nothing, and blocks nobody else', async () => {
      const size = 3000 * KIB;
      const rig = start();
      const noise = randomBytes(size);
      writeFileSync(join(rig.base, 'noise'), noise);
      await rig.supervise({ log: '' });
      const slow = await rig.attach(0);
      slow.socket.pause();
      const quick = await rig.attach(0);
      await rig.shell(`cat ${rig.base}/noise`);
      await expectRest(rig);
      expect(quick.out.length).toBeGreaterThan(256 * KIB);
      expect(quick.out.length).toBeLessThan(1500 * KIB);
      rig.send('own');
      expect((await rig.next()).fields).toEqual(['owned']);
      slow.socket.resume();
      await Promise.all([slow.end(), quick.end()]);
      expect(slow.out.equals(noise)).toBe(true);
      expect(quick.out.equals(noise)).toBe(true);
      expect(slow.exited).toEqual(['exited', ...(await rig.exited())]);
    });

    test('a client that never reads holds up neither the exit, nor other clients, nor the teardown for long', async () => {
      const rig = start();
      const mark = join(rig.base, 'mark');
      await rig.supervise({ teardown: [busybox, 'touch', mark] });
      const stuck = await rig.attach(0);
      stuck.socket.pause();
      const quick = await rig.attach(0);
      await rig.shell('head -c 400000 /dev/zero');
      rig.send('own');
      expect((await rig.next()).fields).toEqual(['owned']);
      expect((await rig.exited()).slice(0, 2)).toEqual(['exited', '0']);
      await quick.end();
      expect(quick.out).toHaveLength(400_000);
      rig.hangUp();
      expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
      expect(existsSync(mark)).toBe(true);
    });

    test('at most 32 at a time; the place of one that left is free again', async () => {
      const rig = start();
      await rig.supervise();
      const all = [];
      for (let n = 0; n < 32; n += 1) all.push(await rig.attach(0));
      expect((await rig.client().end()).said).toEqual([]);
      all[5]!.socket.destroy();
      await expectRest(rig);
      expect((await rig.attach(0)).said).toEqual([['attached', 'pipes']]);
      await expectRest(rig);
    });

    test.skipIf(skipUnlessProgram('setpriv'))('only root is served', async () => {
      const rig = start();
      await rig.supervise();
      chmodSync(rig.base, 0o755);
      chmodSync(rig.folder, 0o755);
      chmodSync(rig.socket, 0o666);
      const code = `require('node:net').connect(${JSON.stringify(rig.socket)}).on('connect', function () {
        this.write(Buffer.from(${JSON.stringify(frame('attach', 0).toString('latin1'))}, 'latin1')); })
        .on('data', () => console.log('served')).on('close', () => console.log('closed')).on('error', () => {})`;
      const run = spawnSync('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, '-e', code]);
      expect(run.stdout.toString() + run.stderr.toString()).toBe('closed\n');
      expect((await rig.attach(0)).said).toEqual([['attached', 'pipes']]);
    });
  });

  describe('a terminal, with the real dockerinit', () => {
    /** Has dockerinit make the terminal and passes its master on, as the daemon does. */
    async function terminal(script: string): Promise<Rig> {
      const image = makeImage();
      undo.push(() => removeImage(image));
      for (const name of ['stty', 'kill', 'sleep', 'head']) link(image, `bin/${name}`, 'busybox');
      mkdirSync(image.root);
      const config = changed(baseConfig, { tty: true, networks: [] as never });
      writeFileSync(join(image.root, 'container.json'), JSON.stringify(config));
      const rig = start();
      await rig.supervise({ mode: 'tty', stdin: 'open' });
      rig.send('resize', 20, 70);
      const argv = ['native', '-console', '', '-pipe', '3', '-root', image.root, '--', 'sh', '-c', script];
      const init = join(buildFolder(), 'dockerinit');
      const { sync } = await rig.clone(init, argv, NAMESPACES, image.rootfs);
      const say = (said: object): void => {
        const text = Buffer.from(JSON.stringify(said));
        const length = Buffer.alloc(4);
        length.writeUInt32BE(text.length);
        native.send(sync, Buffer.concat([length, text]), []);
      };
      say({ t: 'go', through: 'init.exec' });
      say({ t: 'join', files: [] });
      say({ t: 'network-state', state: {} });
      for (let more = true; more;) {
        await readable(sync);
        const { bytes, fds } = must(native.recv(sync, 65536));
        if (fds.length > 0) rig.raw(frame('console'), fds);
        for (const fd of fds) closeSync(fd);
        if (bytes.includes('"t":"fail"')) throw new Error(bytes.toString());
        more = bytes.length > 0;
      }
      return rig;
    }

    test('has the size that was asked for before and after, echoes, and a client can interrupt', async () => {
      const rig = await terminal(
        `stty size; read x; stty size; trap 'echo caught; exit 3' INT; echo ready; cat`,
      );
      const client = await rig.attach(1);
      expect(client.said).toEqual([['attached', 'tty']]);
      await rig.untilLogged('20 70');
      client.send('resize', 50, 132).send('eof').send('in', 'typed\r');
      await client.until((each) => each.out.includes('ready'));
      // Twice: the terminal's echo, and cat's. An interrupt before cat runs would be the shell's alone.
      client.send('in', 'probe\r');
      await client.until((each) => each.out.includes('probe\r\nprobe\r\n'));
      client.send('in', '\x03');
      await client.end();
      expect(client.out.toString()).toMatch(
        /typed\r\n50 132\r\nready\r\nprobe\r\nprobe\r\n\^C(\r\n)?caught\r\n$/,
      );
      expect(client.err).toHaveLength(0);
      expect((await rig.exited()).slice(0, 2)).toEqual(['exited', '3']);
      expect(rig.logged('stdout')).toContain('20 70\r\n');
      expect(rig.entries.every((entry) => entry.stream === 'stdout')).toBe(true);
    });

    test('output of a container that ended before its terminal was passed on is in the log', async () => {
      const rig = await terminal('echo short');
      await rig.exited();
      expect(rig.logged('stdout')).toBe('short\r\n');
      await rig.bye();
    });

    test('one that the container has closed does not make the monitor spin, nor end the container', async () => {
      const rig = await terminal('exec </dev/null >/dev/null 2>&1; read x </dev/console; sleep 1000');
      await expectRest(rig);
      native.pidfdSend(rig.container!.pidfd, 9);
      expect((await rig.exited()).slice(0, 2)).toEqual(['killed', '9']);
    });
  });

  describe('the end', () => {
    test('owned: the teardown gets the lock, its words and variables, and nothing else', async () => {
      const rig = start();
      const go = fifo(join(rig.base, 'go'));
      const teardown = [busybox, 'cat', go, '/two words'];
      await rig.begin('read x', { stdin: 'open', teardown, env: ['A=1', 'B=two words', 'EMPTY='] });
      rig.send('own');
      expect((await rig.next()).fields).toEqual(['owned']);
      rig.hangUp();
      const client = await rig.attach(1);
      client.send('in', 'x\n');
      await client.end();
      expect(client.exited?.slice(0, 3)).toEqual(['exited', 'exited', '0']);
      // Opening waits for the reader, which is the teardown.
      const opened = await open(go, 'w');
      // Both ends are open a moment before the reader has a number for its own.
      while (!('3' in rig.fds())) await pause(1);
      const about = (file: string): string => readFileSync(`/proc/${rig.pid}/${file}`, 'utf8');
      expect(about('cmdline').split('\0')).toEqual([...teardown, '']);
      expect(about('environ').split('\0')).toEqual(['A=1', 'B=two words', 'EMPTY=', '']);
      expect(rig.fds()).toEqual({ 0: '/dev/null', 1: '/dev/null', 2: '/dev/null', 3: go, 4: rig.lock });
      expect(about('status')).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+$/m);
      expect(native.lockHolder(rig.lock)).toBe(rig.pid);
      expect(existsSync(rig.socket)).toBe(false);
      expect(alive(rig.container!.pid)).toBe(false);
      await opened.close();
      expect(await rig.end()).toMatchObject({ how: 'exited', status: 1 });
    });

    test('owned, and the daemon is still there: its end of file begins the teardown, its bye prevents it', async () => {
      const mark = (rig: Rig): string => join(rig.base, 'mark');
      for (const dismissed of [true, false]) {
        const rig = start();
        await rig.begin('exit 1', { teardown: [busybox, 'touch', mark(rig)] });
        await rig.exited();
        rig.send('own');
        expect((await rig.next()).fields).toEqual(['owned']);
        await expectRest(rig);
        if (dismissed) rig.send('bye');
        else rig.hangUp();
        expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
        expect(existsSync(mark(rig))).toBe(!dismissed);
        expect(existsSync(rig.socket)).toBe(false);
      }
    });

    test('not owned: the end of the daemon is the end of the container, and recovery does the rest', async () => {
      const rig = start();
      const mark = join(rig.base, 'mark');
      await rig.begin('echo said; read x', { stdin: 'open', teardown: [busybox, 'touch', mark] });
      rig.hangUp();
      expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
      expect(rig.exit).toMatchObject({ how: 'killed', status: 9 });
      expect(rig.logged('stdout')).toMatch(/^(said\n)?$/);
      expect(existsSync(mark)).toBe(false);
    });

    test('before there is a container: bye or the end of file, and nothing is left', async () => {
      const rig = start();
      await rig.supervise();
      expect(await rig.bye()).toMatchObject({ how: 'exited', status: 0 });
      expect(readdirSync(rig.folder)).toEqual([]);
      const other = start();
      other.hangUp();
      expect(await other.end()).toMatchObject({ how: 'exited', status: 0 });
    });

    test('a hang-up, an interrupt and a quit are not for the monitor', async () => {
      const rig = await start().begin('read x', { stdin: 'open' });
      for (const number of [signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGPIPE]) {
        native.pidfdSend(rig.pidfd, number);
      }
      expect((await rig.attach(0)).said).toEqual([['attached', 'pipes']]);
    });

    test('by hand it says what it is', () => {
      const run = spawnSync(monitorProgram, [], { stdio: ['ignore', 'pipe', 'pipe'] });
      expect(run.status).toBe(125);
      expect(run.stderr.toString()).toContain('started by ts-dock');
    });
  });

  test('it is small, and stays small after 100 MB of output and a large frame', async () => {
    const rig = start();
    rig.raw(
      frame(
        'supervise',
        rig.lock,
        rig.folder,
        rig.log,
        'pipes',
        'open',
        3,
        busybox,
        'x'.repeat(3_000_000),
        'y',
        0,
      ),
    );
    expect((await rig.next()).fields).toEqual(['supervising']);
    await rig.dispose();
    rigs.splice(0);

    const small = start();
    await small.supervise({ log: '', stdin: 'open' });
    expect(small.field('VmRSS')).toBeLessThan(2 * KIB);
    const client = await small.attach(1);
    await small.shell('head -c 100000000 /dev/zero; read x');
    let size = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (bytes: Buffer) => {
      size += bytes.length;
      if (size > 100_000_000) client.send('resize', 1, 1);
    });
    while (size < 100_000_000) await new Promise((resolve) => client.socket.once('data', resolve));
    await expectRest(small);
    expect(small.field('VmRSS')).toBeLessThan(2 * KIB);
  });
});

const programs: [string, string | undefined][] = [['the program', undefined]];
if (!skipUnless('monitor-sanitized is not built (make sanitized)', existsSync(sanitizedProgram))) {
  programs.push(['the sanitized build', sanitizedProgram]);
}

describe.skipIf(skipUnlessRoot()).each(programs)('abuse of %s', (_name, program) => {
  const begin = (): Rig => start({ program });
  const prefix = (length: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    return bytes;
  };

  test('whatever breaks the protocol on the control socket ends it', async () => {
    const whole = ['supervise', '/l', '/f', '', 'pipes', 'open', '1', '/x', '0'];
    const malformed = [
      ...whole.map((_, n) => frame(...whole.slice(0, n))).slice(1),
      frame(...whole, 'more'),
      frame('supervise', 'relative', '/f', '', 'pipes', 'open', 1, '/x', 0),
      frame('supervise', '/l', '/f', '', 'neither', 'open', 1, '/x', 0),
      frame('supervise', '/l', '/f', '', 'pipes', 'open', '4294967297', '/x', 0),
      frame('supervise', '/l', '/f', '', 'pipes', 'open', '-1', '/x', 0),
      frame('supervise', '/l', '/f', '', 'pipes', 'open', 0, 0),
      frame('supervise', '/l', '/f', '', 'pipes', 'open', 1, 'relative', 0),
      frame('own'),
      frame('clone', 0, '/', 'x'),
      frame('console'),
      frame('resize', 1, 1),
      frame('unknown'),
      frame(''),
      prefix(0),
      prefix(4 * 1024 * KIB + 1),
      Buffer.alloc(64, 0xff),
      randomBytes(100_000).fill(0xff, 0, 1),
    ];
    for (const bytes of malformed) {
      const rig = begin();
      rig.raw(bytes);
      await rig.refusal();
      expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
      expect(rig.errors).toBe('');
    }
  });

  test('frames and descriptors that may not come now end it, and the container with it', async () => {
    const nothing = openSync('/dev/null', 'r+');
    undo.push(() => closeSync(nothing));
    const late: [Buffer, number[]][] = [
      [frame('supervise', '/l', '/f', '', 'pipes', 'open', 1, '/x', 0), []],
      [frame('clone', 0, '/', 'x'), [nothing, nothing]],
      [frame('clone', 0x100, '/', 'x'), [nothing, nothing]],
      [frame('console'), [nothing]],
      [frame('own'), [nothing]],
      [frame('own'), Array.from({ length: 100 }, () => nothing)],
      [frame('bye'), []],
      [frame('resize', 1), []],
      [frame('resize', 1, 65_536), []],
      [frame('own', ''), []],
    ];
    for (const [bytes, fds] of late) {
      const rig = await begin().begin('read x', { stdin: 'open' });
      rig.raw(bytes, fds);
      await rig.refusal();
      expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
      expect(rig.exit).toMatchObject({ how: 'killed', status: 9 });
      expect(rig.errors).toBe('');
    }
  });

  test('what is no terminal is not taken for one', async () => {
    for (const path of ['/dev/null', '/dev/ptmx']) {
      const rig = begin();
      await rig.supervise({ mode: 'tty' });
      await rig.shell('exec sleep 1000');
      const fd = openSync(path, fs.O_RDWR | fs.O_NOCTTY);
      undo.push(() => closeSync(fd));
      rig.raw(frame('console'), [fd]);
      if (path === '/dev/null') {
        await rig.refusal();
      } else {
        rig.send('own');
        expect((await rig.next()).fields).toEqual(['owned']);
      }
      expect(rig.errors).toBe('');
    }
  });

  test('frames may come a byte at a time, or all at once', async () => {
    const rig = begin();
    for (const byte of rig.order({ stdin: 'open' })) rig.raw(Buffer.from([byte]));
    expect((await rig.next()).fields).toEqual(['supervising']);
    await rig.shell('cat');
    const client = rig.client();
    for (const byte of Buffer.concat([frame('attach', 1), frame('in', 'abc\n'), frame('resize', 1, 2)])) {
      await new Promise<void>((resolve) => client.socket.write(Buffer.from([byte]), () => resolve()));
    }
    client.socket.write(Buffer.concat([frame('in', 'def\n'), frame('eof')]));
    await client.end();
    expect(client.out.toString()).toBe('abc\ndef\n');
    rig.raw(Buffer.concat([frame('own'), frame('bye')]));
    expect(await rig.end()).toMatchObject({ how: 'exited', status: 0 });
    expect(rig.errors).toBe('');
  });

  test('a client that breaks the protocol is ended, and nobody else notices', async () => {
    const rig = await begin().begin('cat', { stdin: 'open' });
    const good = await rig.attach(1);
    const attached = (input: 0 | 1, bytes: Buffer): Buffer => Buffer.concat([frame('attach', input), bytes]);
    const bad = [
      frame('in', 'x'),
      frame('eof'),
      frame('attach'),
      frame('attach', 2),
      frame('attach', 1, 1),
      frame('own'),
      prefix(0),
      prefix(0xffff_ffff),
      attached(1, frame('attach', 1)),
      attached(1, frame('in')),
      attached(1, frame('inn')),
      attached(1, frame('out', 'x')),
      attached(1, frame('resize', 1)),
      attached(1, frame('resize', -1, 1)),
      attached(1, frame('eof', '')),
      attached(1, prefix(4 * 1024 * KIB + 1)),
      attached(0, frame('in', 'x')),
      attached(0, frame('eof')),
      attached(1, frame('resize', 'x'.repeat(100_000))),
      randomBytes(100_000).fill(0xff, 0, 1),
    ];
    for (const bytes of bad) {
      const client = rig.client();
      client.socket.write(bytes);
      await client.end();
    }
    for (let n = 0; n < 50; n += 1) rig.client().socket.write(prefix(1000).subarray(0, n % 5));
    for (let n = 0; n < 20; n += 1) rig.client().send('attach', 1).send('in', 'y').socket.destroy();
    good.send('in', 'still here\n').send('eof');
    await good.end();
    expect(good.out.toString().replaceAll('y', '')).toBe('still here\n');
    expect(good.exited?.slice(0, 3)).toEqual(['exited', 'exited', '0']);
    await rig.bye();
    expect(rig.errors).toBe('');
  });

  test('much output, input, and clients that come and go', async () => {
    const rig = await begin().begin('cat; cat >&2', { stdin: 'open' });
    const steady = await rig.attach(1);
    const sent = randomBytes(2000 * KIB);
    for (let at = 0; at < sent.length; at += 50 * KIB) {
      steady.send('in', sent.subarray(at, at + 50 * KIB));
      const passing = await rig.attach(0);
      if (at % 3 === 0) passing.socket.pause();
      if (at % 2 === 0) setImmediate(() => passing.socket.destroy());
      else passing.socket.destroy();
    }
    steady.send('eof');
    await steady.end();
    expect(steady.out.equals(sent)).toBe(true);
    expect(rig.logged('stdout') === sent.toString()).toBe(true);
    await rig.bye();
    expect(rig.errors).toBe('');
  });
});
