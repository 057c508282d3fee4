/**
 * The addon against the real kernel: each function of `Binding` once as meant, and refused with the errno that the kernel
 * documents. Whatever a test makes it removes; names are random; waiting is for events, never for time.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binding, buildFolder, type Cloned, type Or, type Refused } from '../../src/kernel/binding.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const native = binding();
const addon = join(buildFolder(), 'ts_dock.node');
const { errno } = constants;
const asRoot = test.skipIf(skipUnlessRoot());

const AT_FDCWD = -100;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_NOFOLLOW = 0x100;
const O_DIRECTORY = 0o200000 * (process.arch === 'arm64' ? 0.25 : 1);
const RESOLVE_NO_SYMLINKS = 4;
const RESOLVE_BENEATH = 8;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const MS_BIND = 0x1000;
const CLONE_NEWNS = 0x20000;
const CLONE_NEWUTS = 0x4000000;
const CLONE_NEWIPC = 0x8000000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;
const CLONE_FILES = 0x400;
const S_IFIFO = 0o10000;
const S_IFCHR = 0o20000;
const POLLIN = 1;
const POLLOUT = 4;
const POLLERR = 8;
const ALL_SEALS = 15;

function isRefused(answer: unknown): answer is Refused {
  return typeof answer === 'object' && answer !== null && 'call' in answer && 'errno' in answer;
}

function ok<T>(answer: Or<T>): T {
  if (isRefused(answer)) throw new Error(`${answer.call} refused with errno ${answer.errno}`);
  return answer;
}

const openFds = (): string[] => readdirSync('/proc/self/fd');
const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();

let folder: string;
let dir: number;
/** Undone in reverse after each test, whatever became of it. */
let undo: (() => void)[];

const keep = (fd: number): number => {
  undo.push(() => native.close(fd));
  return fd;
};
const open = (path: string, flags = 'r'): number => keep(openSync(path, flags));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'addon-'));
  undo = [() => rmSync(folder, { recursive: true, force: true })];
  dir = open(folder);
});
afterEach(() => {
  for (const step of undo.reverse()) step();
});

/** Starts `program` and has it killed and reaped at the end of the test, if it is still there. */
function start(
  program: string,
  argv: string[],
  more: Partial<Parameters<typeof native.clone>[0]> = {},
): Cloned {
  const nothing = open('/dev/null', 'r+');
  const cloned = ok(
    native.clone({
      exe: open(program),
      argv,
      env: [],
      flags: 0,
      cwd: '/',
      fds: [nothing, nothing, nothing],
      ...more,
    }),
  );
  undo.push(() => {
    native.pidfdSend(cloned.pidfd, 9);
    // Reaping right after SIGKILL may come too early for WNOHANG; poll(2) is not at hand in a synchronous hook.
    while (native.waitPidfd(cloned.pidfd, false) === null);
    native.close(cloned.pidfd);
  });
  return cloned;
}

/** clock_nanosleep's number: what a sleeper that has loaded all its libraries is found in. */
const SLEEPING = process.arch === 'arm64' ? '115 ' : '230 ';

/**
 * A child that sleeps until it is killed. clone returns once the child has left our memory; its arguments are set, its
 * close-on-exec descriptors closed and its libraries loaded a little later.
 */
function sleeper(more: Partial<Parameters<typeof native.clone>[0]> = {}): Cloned {
  const child = start('/bin/sleep', ['sleep', '1000'], more);
  while (!readFileSync(`/proc/${child.pid}/syscall`, 'utf8').startsWith(SLEEPING));
  return child;
}

/** Resolves when poll(2) has something for `fd`. */
function ready(fd: number, events = POLLIN): Promise<number> {
  return new Promise((resolve) => {
    const watch = native.watch(fd, events, (revents) => {
      watch.stop();
      resolve(revents);
    });
  });
}

async function ended(child: Cloned) {
  await ready(child.pidfd);
  return ok(native.waitPidfd(child.pidfd, false));
}

/** Runs a program to its end and returns what it wrote. */
async function output(
  program: string,
  argv: string[],
  more: Partial<Parameters<typeof native.clone>[0]> = {},
) {
  const file = join(folder, `output-${randomBytes(4).toString('hex')}`);
  const out = open(file, 'w');
  const child = start(program, argv, { fds: [open('/dev/null'), out, out], ...more });
  const end = await ended(child);
  return { end, text: readFileSync(file, 'utf8') };
}

/** Source of a Node program that has the addon as `native`. */
const script = (code: string): string[] => [
  '-e',
  `const native = require(${JSON.stringify(addon)}); const fs = require('node:fs'); ${code}`,
];

/** A Node process that prints a line when it is ready. */
async function helper(code: string): Promise<{ process: ChildProcess; line: string }> {
  const started = spawn(process.execPath, script(code), { stdio: ['pipe', 'pipe', 'inherit'] });
  undo.push(() => started.kill('SIGKILL'));
  const [data] = (await once(started.stdout, 'data')) as [Buffer];
  return { process: started, line: data.toString().trim() };
}

describe('files', () => {
  test('openat2 opens close-on-exec and keeps to what RESOLVE_ demands', () => {
    writeFileSync(join(folder, 'plain'), 'text');
    symlinkSync('plain', join(folder, 'link'));
    const fd = keep(ok(native.openat2(dir, 'plain', 0, 0, RESOLVE_BENEATH)));
    expect(
      Number.parseInt(/flags:\t(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8),
    ).toBe(
      fstatSync(fd).isFile() ? Number.parseInt(process.arch === 'arm64' ? '02400000' : '02100000', 8) : -1,
    );
    expect(native.openat2(dir, '../x', 0, 0, RESOLVE_BENEATH)).toEqual({
      call: 'openat2',
      errno: errno.EXDEV,
    });
    expect(native.openat2(dir, 'link', 0, 0, RESOLVE_NO_SYMLINKS)).toEqual({
      call: 'openat2',
      errno: errno.ELOOP,
    });
    expect(native.openat2(dir, 'absent', 0, 0, 0)).toEqual({ call: 'openat2', errno: errno.ENOENT });
    expect(native.openat2(dir, 'plain', O_DIRECTORY, 0, 0)).toEqual({
      call: 'openat2',
      errno: errno.ENOTDIR,
    });
  });

  test('mkdirat, symlinkat, readlinkat, renameat2, unlinkat', () => {
    expect(native.mkdirat(dir, 'd', 0o700)).toBe(0);
    expect(native.mkdirat(dir, 'd', 0o700)).toEqual({ call: 'mkdirat', errno: errno.EEXIST });
    expect(native.symlinkat('somewhere/else', dir, 'l')).toBe(0);
    expect(native.symlinkat('x', dir, 'l')).toEqual({ call: 'symlinkat', errno: errno.EEXIST });
    expect(native.readlinkat(dir, 'l')).toBe('somewhere/else');
    expect(native.readlinkat(dir, 'd')).toEqual({ call: 'readlinkat', errno: errno.EINVAL });
    expect(native.renameat2(dir, 'l', dir, 'd', RENAME_NOREPLACE)).toEqual({
      call: 'renameat2',
      errno: errno.EEXIST,
    });
    expect(native.renameat2(dir, 'l', dir, 'd', RENAME_EXCHANGE)).toBe(0);
    expect(native.readlinkat(dir, 'd')).toBe('somewhere/else');
    expect(native.unlinkat(dir, 'l', 0)).toEqual({ call: 'unlinkat', errno: errno.EISDIR });
    expect(native.unlinkat(dir, 'l', AT_REMOVEDIR)).toBe(0);
    expect(native.unlinkat(dir, 'd', 0)).toBe(0);
    expect(native.readdir(dir)).toEqual([]);
  });

  asRoot('mknodat, fstat, fchmod and fchownat', () => {
    expect(native.mknodat(dir, 'null', S_IFCHR | 0o600, 1, 3)).toBe(0);
    const node = open(join(folder, 'null'));
    expect(native.fchmod(node, 0o640)).toBe(0);
    expect(native.fchownat(dir, 'null', 12, -1, AT_SYMLINK_NOFOLLOW)).toBe(0);
    const found = statSync(join(folder, 'null'));
    expect(native.fstat(node)).toEqual({
      dev: found.dev,
      ino: found.ino,
      mode: S_IFCHR | 0o640,
      nlink: 1,
      uid: 12,
      gid: found.gid,
      rdevMajor: 1,
      rdevMinor: 3,
      size: 0,
      blocks: found.blocks,
      mtime: statSync(join(folder, 'null'), { bigint: true }).mtimeNs,
    });
    expect(native.mknodat(dir, 'null', S_IFIFO, 0, 0)).toEqual({ call: 'mknodat', errno: errno.EEXIST });
    expect(native.fstat(99_999)).toEqual({ call: 'fstat', errno: errno.EBADF });
    expect(native.fchmod(99_999, 0)).toEqual({ call: 'fchmod', errno: errno.EBADF });
    expect(native.fchownat(dir, 'absent', 0, 0, 0)).toEqual({ call: 'fchownat', errno: errno.ENOENT });
  });

  test('fstatfs tells a real procfs from a directory', () => {
    expect(native.fstatfs(open('/proc'))).toBe(0x9fa0);
    expect(native.fstatfs(dir)).not.toBe(0x9fa0);
    expect(native.fstatfs(99_999)).toEqual({ call: 'fstatfs', errno: errno.EBADF });
  });

  test('readdir can be repeated and leaves the descriptor usable', () => {
    for (let n = 0; n < 1000; n += 1) writeFileSync(join(folder, `n${n}`), '');
    const first = ok(native.readdir(dir));
    expect(first).toHaveLength(1000);
    expect(ok(native.readdir(dir)).sort()).toEqual(first.sort());
    expect(native.readdir(open('/dev/null'))).toEqual({ call: 'openat', errno: errno.ENOTDIR });
  });

  test('readFd reads from the start, no more than asked, and where the size is not known', () => {
    const big = randomBytes(100_000);
    writeFileSync(join(folder, 'big'), big);
    const fd = open(join(folder, 'big'));
    expect(ok(native.readFd(fd, 10)).equals(big.subarray(0, 10))).toBe(true);
    expect(ok(native.readFd(fd, 2 ** 30)).equals(big)).toBe(true);
    expect(ok(native.readFd(open('/proc/self/status'), 65_536)).toString()).toContain('Name:');
    expect(ok(native.readFd(fd, 0))).toHaveLength(0);
    expect(native.readFd(dir, 10)).toEqual({ call: 'pread64', errno: errno.EISDIR });
  });

  test('writeFd and close', () => {
    const fd = openSync(join(folder, 'new'), 'w');
    expect(native.writeFd(fd, Buffer.from('abc'))).toBe(3);
    expect(native.close(fd)).toBe(0);
    expect(native.close(fd)).toEqual({ call: 'close', errno: errno.EBADF });
    expect(native.writeFd(fd, Buffer.from('abc'))).toEqual({ call: 'write', errno: errno.EBADF });
    expect(readFileSync(join(folder, 'new'), 'utf8')).toBe('abc');
  });

  test('a sealed copy has the content and refuses every way of writing', () => {
    writeFileSync(join(folder, 'source'), 'content');
    const sealed = keep(ok(native.sealedCopy(open(join(folder, 'source')), 'copy')));
    expect(native.seals(sealed)).toBe(ALL_SEALS);
    expect(readFileSync(`/proc/self/fd/${sealed}`, 'utf8')).toBe('content');
    expect(native.writeFd(sealed, Buffer.from('x'))).toEqual({ call: 'write', errno: errno.EPERM });
    const again = open(`/proc/self/fd/${sealed}`, 'r+');
    expect(native.writeFd(again, Buffer.from('x'))).toEqual({ call: 'write', errno: errno.EPERM });
    expect(() => ftruncateSync(again, 0)).toThrow('EPERM');
    expect(native.seals(dir)).toEqual({ call: 'fcntl', errno: errno.EINVAL });
    expect(native.sealedCopy(dir, 'x')).toMatchObject({ call: 'sendfile' });
  });

  test('a string with NUL and a wrong type never reach the kernel', () => {
    const nul = 'a\0b';
    const wrong: (() => unknown)[] = [
      () => native.openat2(dir, nul, 0, 0, 0),
      () => native.mkdirat(dir, nul, 0),
      () => native.mknodat(dir, nul, 0, 0, 0),
      () => native.symlinkat(nul, dir, 'x'),
      () => native.symlinkat('x', dir, nul),
      () => native.readlinkat(dir, nul),
      () => native.unlinkat(dir, nul, 0),
      () => native.renameat2(dir, nul, dir, 'x', 0),
      () => native.renameat2(dir, 'x', dir, nul, 0),
      () => native.fchownat(dir, nul, 0, 0, 0),
      () => native.removeTree(dir, nul),
      () => native.sealedCopy(dir, nul),
      () => native.mount(AT_FDCWD, nul, 'x', 'x', 0, ''),
      () => native.mount(AT_FDCWD, 'x', nul, 'x', 0, ''),
      () => native.mount(AT_FDCWD, 'x', 'x', nul, 0, ''),
      () => native.mount(AT_FDCWD, 'x', 'x', 'x', 0, nul),
      () => native.umount2(nul, 0),
      () => native.clone({ exe: dir, argv: [nul], env: [], flags: 0, cwd: '/', fds: [] }),
      () => native.clone({ exe: dir, argv: [], env: [nul], flags: 0, cwd: '/', fds: [] }),
      () => native.clone({ exe: dir, argv: [], env: [], flags: 0, cwd: nul, fds: [] }),
      () => native.lock(nul, false),
      () => native.lockHolder(nul),
      () => native.bridgeCreate(nul, '02:00:00:00:00:01'),
      () => native.linkAlias(1, nul),
      () => native.addressAdd(1, nul, 24),
      () => native.mkdirat(1.5, 'x', 0),
      () => native.mkdirat(dir, 'x', -1),
      () => native.mkdirat(dir, 'x', Number.NaN),
      () => native.mkdirat(dir, 5 as unknown as string, 0),
      () => native.writeFd(dir, 'text' as unknown as Uint8Array),
      () => native.clone(undefined as unknown as Parameters<typeof native.clone>[0]),
      () => native.removeTree(dir, 'a/b'),
      () => native.removeTree(dir, '..'),
      () => native.bridgeCreate('x', 'no address'),
      () => native.addressAdd(1, '300.1.1.1', 24),
      () => native.addressAdd(1, '10.1.1.1', 33),
    ];
    for (const call of wrong) expect(call, call.toString()).toThrow(TypeError);
  });
});

describe('removeTree', () => {
  test('removes files, fifos and directories; what is gone already is success', () => {
    mkdirSync(join(folder, 't/a/b'), { recursive: true });
    writeFileSync(join(folder, 't/a/file'), '');
    ok(native.mknodat(dir, 't/a/fifo', S_IFIFO | 0o600, 0, 0));
    expect(native.removeTree(dir, 't')).toBe(0);
    expect(native.removeTree(dir, 't')).toBe(0);
    expect(native.readdir(dir)).toEqual([]);
    expect(native.removeTree(99_999, 't')).toEqual({ call: 'unlinkat', errno: errno.EBADF });
  });

  test('removes links without following them', () => {
    mkdirSync(join(folder, 'victim'));
    writeFileSync(join(folder, 'victim/kept'), 'kept');
    mkdirSync(join(folder, 't'));
    symlinkSync('../victim', join(folder, 't/relative'));
    symlinkSync(join(folder, 'victim'), join(folder, 't/absolute'));
    symlinkSync('loop', join(folder, 't/loop'));
    symlinkSync('victim', join(folder, 'top'));
    expect(native.removeTree(dir, 't')).toBe(0);
    expect(native.removeTree(dir, 'top')).toBe(0);
    expect(ok(native.readdir(dir))).toEqual(['victim']);
    expect(readFileSync(join(folder, 'victim/kept'), 'utf8')).toBe('kept');
  });

  asRoot('enters no mount, not even one of the same file system, and removes the rest', () => {
    for (const name of ['victim', 't/tmpfs', 't/bind', 't/other/deep'])
      mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'victim/kept'), 'kept');
    ok(native.mount(AT_FDCWD, 'tmpfs', join(folder, 't/tmpfs'), 'tmpfs', 0, 'size=64k'));
    undo.push(() => native.umount2(join(folder, 't/tmpfs'), 2));
    writeFileSync(join(folder, 't/tmpfs/kept'), 'kept');
    ok(native.mount(AT_FDCWD, join(folder, 'victim'), join(folder, 't/bind'), '', MS_BIND, ''));
    undo.push(() => native.umount2(join(folder, 't/bind'), 2));
    expect(native.removeTree(dir, 't')).toEqual({ call: 'openat2', errno: errno.EXDEV });
    expect(readdirSync(join(folder, 't')).sort()).toEqual(['bind', 'tmpfs']);
    expect(existsSync(join(folder, 'victim/kept'))).toBe(true);
    expect(existsSync(join(folder, 't/tmpfs/kept'))).toBe(true);
  });

  test('a tree of 5000 levels costs neither stack nor descriptors', () => {
    const before = openFds().length;
    let at = ok(native.openat2(dir, '.', 0, 0, 0));
    for (let depth = 0; depth < 5000; depth += 1) {
      ok(native.mkdirat(at, 'd', 0o700));
      const next = ok(native.openat2(at, 'd', 0, 0, 0));
      native.close(at);
      at = next;
    }
    native.close(at);
    expect(native.removeTree(dir, 'd')).toBe(0);
    expect(native.readdir(dir)).toEqual([]);
    expect(openFds()).toHaveLength(before);
  });
});

describe('mounts', () => {
  asRoot('mount takes names relative to a descriptor and leaves the working directory alone', () => {
    mkdirSync(join(folder, 'point'));
    const before = process.cwd();
    expect(native.mount(dir, 'tmpfs', 'point', 'tmpfs', 0, 'size=64k')).toBe(0);
    undo.push(() => native.umount2(join(folder, 'point'), 2));
    expect(process.cwd()).toBe(before);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toContain(`${folder}/point `);
    expect(native.umount2(join(folder, 'point'), 0)).toBe(0);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(`${folder}/point `);
  });

  asRoot('overlay with short relative names', () => {
    for (const name of ['l1', 'l2', 'up', 'work', 'merged']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'l1/one'), '1');
    writeFileSync(join(folder, 'l2/two'), '2');
    ok(native.mount(dir, 'overlay', 'merged', 'overlay', 0, 'lowerdir=l1:l2,upperdir=up,workdir=work'));
    undo.push(() => native.umount2(join(folder, 'merged'), 2));
    expect(readdirSync(join(folder, 'merged')).sort()).toEqual(['one', 'two']);
  });

  asRoot('refusals', () => {
    expect(native.mount(dir, 'x', 'absent', 'tmpfs', 0, '')).toEqual({ call: 'mount', errno: errno.ENOENT });
    expect(native.mount(AT_FDCWD, 'x', folder, 'nosuchfs', 0, '')).toEqual({
      call: 'mount',
      errno: errno.ENODEV,
    });
    expect(native.mount(99_999, 'x', 'x', 'tmpfs', 0, '')).toEqual({ call: 'fchdir', errno: errno.EBADF });
    expect(native.umount2(folder, 0)).toEqual({ call: 'umount2', errno: errno.EINVAL });
  });
});

describe('trials', () => {
  asRoot('mounts that are tried are written to, and are gone with the call', () => {
    const at = (name: string): string => join(folder, name);
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(at(name));
    const data = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
    expect(native.tryMounts([['o', at('merged'), 'overlay', data]], [join(at('merged'), 'file')])).toBe(0);
    expect(readdirSync(at('upper'))).toEqual(['file']);
    expect(readdirSync(at('merged'))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    // The thread's namespace was its own: ours is the one that we had.
    expect(native.tryMounts([['t', at('merged'), 'tmpfs', '']], [join(at('merged'), 'x/y')])).toEqual({
      call: 'open',
      errno: errno.ENOENT,
    });
    expect(native.tryMounts([['x', at('merged'), 'nosuchfs', '']], [])).toEqual({
      call: 'mount',
      errno: errno.ENODEV,
    });
  });

  test('a kernel that runs these tests lacks no call; what is no trial never reaches it', () => {
    expect(native.lackingCalls()).toEqual([]);
    expect(() => native.tryMounts([['too', 'few'] as never], [])).toThrow(TypeError);
    expect(() => native.tryMounts('x' as never, [])).toThrow(TypeError);
  });
});

describe('clone', () => {
  const fdsOf = (pid: number) =>
    Object.fromEntries(
      readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)]),
    );

  asRoot('runs the program in new namespaces, with its arguments, environment and directory', async () => {
    const flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET;
    const child = sleeper({ argv: ['name', '1000'], flags, env: ['A=1', 'B=zwei'], cwd: folder });
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toBe('name\x001000\0');
    expect(readFileSync(`/proc/${child.pid}/environ`, 'utf8')).toBe('A=1\0B=zwei\0');
    expect(readlinkSync(`/proc/${child.pid}/cwd`)).toBe(folder);
    expect(readFileSync(`/proc/${child.pid}/status`, 'utf8')).toMatch(/NSpid:\t\d+\t1\n/);
    for (const kind of ['mnt', 'uts', 'ipc', 'pid', 'net']) {
      expect(readlinkSync(`/proc/${child.pid}/ns/${kind}`)).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
    }
    ok(native.pidfdSend(child.pidfd, 9));
    expect(await ended(child)).toMatchObject({ how: 'killed', status: 9 });
  });

  test('signals are as a shell would leave them: nothing blocked, ignored or handled', () => {
    const child = sleeper();
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    for (const set of ['SigBlk', 'SigIgn', 'SigCgt']) expect(status).toContain(`${set}:\t0000000000000000`);
    expect(readFileSync('/proc/self/status', 'utf8')).toContain('SigBlk:\t0000000000000000');
  });

  test('puts descriptors in place although sources and targets overlap', () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, name), '');
    const [a, b, c] = ['a', 'b', 'c'].map((name) => open(join(folder, name)));
    const child = sleeper({ fds: [a!, 0, b!, 1, c!, a!, 2] });
    const own = [0, 1, 2].map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    expect(fdsOf(child.pid)).toEqual({
      0: join(folder, 'a'),
      1: own[0],
      2: join(folder, 'b'),
      3: own[1],
      4: join(folder, 'c'),
      5: join(folder, 'a'),
      6: own[2],
    });
  });

  test('an executable descriptor among the targets is moved away and not left open', () => {
    const exe = open('/bin/sleep');
    const nothing = open('/dev/null');
    const fds = Array<number>(exe + 5).fill(nothing);
    const child = sleeper({ exe, fds });
    expect(Object.values(fdsOf(child.pid))).toEqual(fds.map(() => '/dev/null'));
  });

  test('a sealed memfd can be executed', async () => {
    const sealed = keep(ok(native.sealedCopy(open('/bin/sleep'), 'sleep')));
    const child = sleeper({ exe: sealed });
    expect(readlinkSync(`/proc/${child.pid}/exe`)).toBe('/memfd:sleep (deleted)');
    // What a hostile container would try (CVE-2019-5736), with more rights than it has.
    expect(() => openSync(`/proc/${child.pid}/exe`, 'r+')).toThrow('ETXTBSY');
  });

  test('descriptors that the caller itself inherited do not reach the child', () => {
    const code = `
      const out = native.clone({ exe: fs.openSync('/bin/ls'), argv: ['ls', '/proc/self/fd'], env: [], flags: 0, cwd: '/', fds: [0, 1, 2] });
      const watch = native.watch(out.pidfd, 1, () => { native.waitPidfd(out.pidfd, false); watch.stop(); });`;
    const run = spawnSync(
      'bash',
      ['-c', 'exec 7</ 12</ 200</; exec "$@"', 'bash', process.execPath, ...script(code)],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toBe('');
    expect(run.stdout.trim().split('\n')).toEqual(['0', '1', '2', '3']);
  });

  test('cloexecFrom hides inherited descriptors from what Node itself spawns', () => {
    const list = `process.stdout.write(require('node:child_process').execFileSync('/bin/ls', ['/proc/self/fd']))`;
    const run = (code: string) =>
      execFileSync('bash', ['-c', 'exec 200</; exec "$@"', 'bash', process.execPath, ...script(code)], {
        encoding: 'utf8',
      });
    expect(run(list).split('\n')).toContain('200'); // The control: without it Node does leak.
    expect(run(`native.cloexecFrom(3); ${list}`).split('\n')).not.toContain('200');
  });

  test('a detached child leads a session of its own and outlives us; any other dies with us', async () => {
    const cloned = (detached: boolean): number => {
      const code = `
        const nothing = fs.openSync('/dev/null', 'r+');
        const fds = [nothing, nothing, nothing];
        const request = { exe: fs.openSync('/bin/sleep'), argv: ['sleep', '1000'], env: [], flags: 0, cwd: '/', fds };
        process.stdout.write(String(native.clone({ ...request, detached: ${detached} }).pid));`;
      return Number(execFileSync(process.execPath, script(code), { encoding: 'utf8' }));
    };
    /** State, parent, group and session. */
    const stat = (pid: number): string[] | undefined => {
      if (!existsSync(`/proc/${pid}`)) return undefined;
      return readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
    };
    const [kept, lost] = [cloned(true), cloned(false)];
    try {
      while (![undefined, 'Z'].includes(stat(lost)?.[0])) await pause(5);
      expect(stat(kept)?.[0]).toMatch(/[SR]/);
      expect(stat(kept)?.[3]).toBe(kept.toString());
    } finally {
      process.kill(kept, 'SIGKILL');
    }
  });

  test('what fails in the child comes back, and nothing is left of it', () => {
    writeFileSync(join(folder, 'garbage'), 'garbage');
    chmodSync(join(folder, 'garbage'), 0o755);
    writeFileSync(join(folder, 'script'), '#!/bin/sh\n');
    chmodSync(join(folder, 'script'), 0o755);
    const nothing = open('/dev/null');
    const sleep = open('/bin/sleep');
    const request = {
      exe: sleep,
      argv: ['x'],
      env: [],
      flags: 0,
      cwd: '/',
      fds: [nothing, nothing, nothing],
    };
    const executables = ['/etc/passwd', 'garbage', 'script'].map((name) =>
      open(join(name === '/etc/passwd' ? '/' : folder, name)),
    );
    const before = { fds: openFds(), children: children() };
    expect(native.clone({ ...request, exe: executables[0]! })).toEqual({
      call: 'execveat',
      errno: errno.EACCES,
    });
    expect(native.clone({ ...request, exe: executables[1]! })).toEqual({
      call: 'execveat',
      errno: errno.ENOEXEC,
    });
    // The interpreter would have to open a descriptor that closes on exec.
    expect(native.clone({ ...request, exe: executables[2]! })).toEqual({
      call: 'execveat',
      errno: errno.ENOENT,
    });
    expect(native.clone({ ...request, cwd: '/absent' })).toEqual({ call: 'chdir', errno: errno.ENOENT });
    expect(native.clone({ ...request, exe: 99_999 })).toEqual({ call: 'fcntl', errno: errno.EBADF });
    expect(native.clone({ ...request, fds: [99_999] })).toEqual({ call: 'fcntl', errno: errno.EBADF });
    expect(native.clone({ ...request, argv: ['x'.repeat(200_000)] })).toEqual({
      call: 'execveat',
      errno: errno.E2BIG,
    });
    expect({ fds: openFds(), children: children() }).toEqual(before);
  });

  test('only namespace flags are taken', () => {
    const request = { exe: 0, argv: [], env: [], cwd: '/', fds: [] };
    expect(() => native.clone({ ...request, flags: CLONE_FILES })).toThrow('CLONE_NEW');
  });

  test('200 clones leave no descriptor, no child and no thread', async () => {
    const nothing = open('/dev/null', 'r+');
    const exe = open('/bin/true');
    const request = { exe, argv: ['true'], env: [], flags: 0, cwd: '/', fds: [nothing, nothing, nothing] };
    const census = () => ({
      fds: openFds().length,
      children: children(),
      tasks: readdirSync('/proc/self/task').length,
    });
    const before = census();
    for (let n = 0; n < 200; n += 1) {
      const child = ok(native.clone(request));
      expect(await ended(child)).toMatchObject({ how: 'exited', status: 0 });
      native.close(child.pidfd);
    }
    expect(census()).toEqual(before);
  });

  test('children of Node and of the addon do not take each other', async () => {
    const theirs = Array.from({ length: 20 }, () => once(spawn('/bin/sh', ['-c', 'exit 5']), 'exit'));
    const ours = Array.from({ length: 20 }, () => ended(start('/bin/sh', ['sh', '-c', 'exit 6'])));
    expect((await Promise.all(theirs)).map(([code]) => code as unknown)).toEqual(Array(20).fill(5));
    for (const end of await Promise.all(ours)) expect(end).toMatchObject({ how: 'exited', status: 6 });
  });

  test('the child dies with its parent', async () => {
    const { process: parent, line } = await helper(`
      const child = native.clone({ exe: fs.openSync('/bin/sleep'), argv: ['sleep', '1000'], env: [], flags: 0, cwd: '/', fds: [] });
      console.log(child.pid); setInterval(() => {}, 1e6);`);
    const pidfd = keep(ok(native.pidfdOpen(Number(line))));
    parent.kill('SIGKILL');
    expect(await ready(pidfd)).toBe(POLLIN);
  });
});

describe('processes', () => {
  test('waitPidfd: alive, looked at, reaped, gone', async () => {
    const child = start('/bin/sh', ['sh', '-c', 'read x; exit 7'], { fds: [open('/dev/null'), 1, 2] });
    await ready(child.pidfd);
    expect(native.waitPidfd(child.pidfd, true)).toMatchObject({ how: 'exited', status: 7 });
    expect(native.waitPidfd(child.pidfd, false)).toMatchObject({ how: 'exited', status: 7 });
    expect(native.waitPidfd(child.pidfd, false)).toEqual({ call: 'waitid', errno: errno.ECHILD });
    expect(native.pidfdSend(child.pidfd, 0)).toEqual({ call: 'pidfd_send_signal', errno: errno.ESRCH });
    expect(native.pidfdOpen(child.pid)).toEqual({ call: 'pidfd_open', errno: errno.ESRCH });
    expect(native.kill(child.pid, 0)).toEqual({ call: 'kill', errno: errno.ESRCH });
    expect(native.waitPidfd(dir, false)).toEqual({ call: 'waitid', errno: errno.EBADF });
  });

  test('waitPidfd is null while the child lives; kill ends it; its use of the machine is known', async () => {
    const child = sleeper();
    expect(native.waitPidfd(child.pidfd, false)).toBeNull();
    expect(native.kill(child.pid, 15)).toBe(0);
    expect(await ended(child)).toMatchObject({ how: 'killed', status: 15 });
    const { end } = await output('/bin/sh', [
      'sh',
      '-c',
      'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done',
    ]);
    expect(end!.userTime + end!.systemTime).toBeGreaterThan(1000);
    expect(end!.maxRss).toBeGreaterThan(0);
  });

  test('umask', () => {
    const before = native.umask(0o077);
    expect(native.umask(before)).toBe(0o077);
  });

  test('in a worker thread everything works but clone, and a watch does not outlive it', async () => {
    const worker = new Worker(
      `const native = require(${JSON.stringify(addon)});
       const { parentPort } = require('node:worker_threads');
       const [a] = native.socketpair();
       native.watch(a, 1, () => {});
       let message = 'none';
       try { native.clone({}); } catch (error) { message = error.message; }
       parentPort.postMessage(message);`,
      { eval: true },
    );
    const [message] = (await once(worker, 'message')) as [string];
    expect(message).toContain('main thread only');
    expect(await worker.terminate()).toBe(1);
  });
});

describe('watch', () => {
  const pair = () => ok(native.socketpair()).map(keep) as [number, number];

  test('calls back as long as there is something, and never after stop', async () => {
    const [a, b] = pair();
    ok(native.send(b, Buffer.from('xy'), []));
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      const watch = native.watch(a, POLLIN, (revents) => {
        seen.push(revents);
        ok(native.recv(a, 1));
        if (seen.length < 2) return;
        watch.stop();
        watch.stop();
        resolve();
      });
    });
    ok(native.send(b, Buffer.from('z'), []));
    expect(await ready(a)).toBe(POLLIN);
    expect(seen).toEqual([POLLIN, POLLIN]);
  });

  test('a pipe: reading does not wait, writing does, and the end is told', () => {
    const [reading, writing] = ok(native.pipe());
    const nonblocking = (fd: number): boolean =>
      (parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8) & 0o4000) !==
      0;
    expect([nonblocking(reading), nonblocking(writing)]).toEqual([true, false]);
    const sys = new Kernel(() => native);
    expect(sys.readPipe(reading, 10)).toBeUndefined();
    writeSync(writing, 'some words');
    expect(sys.readPipe(reading, 4)?.toString()).toBe('some');
    expect(sys.readPipe(reading, 100)?.toString()).toBe(' words');
    sys.closePipe(writing);
    expect(sys.readPipe(reading, 10)?.length).toBe(0);
    sys.closePipe(reading);
    expect(sys.taken()).toEqual([]);
  });

  test('one descriptor can be watched twice, and closed while it is watched', async () => {
    const [a, b] = ok(native.socketpair());
    const both = [ready(a, POLLOUT), ready(a, POLLIN)];
    expect(await both[0]).toBe(POLLOUT);
    native.close(a);
    native.close(b);
    expect(await both[1]).toBe(POLLIN);
  });

  test('an error is told, as poll(2) does without being asked', async () => {
    ok(native.mknodat(dir, 'fifo', S_IFIFO | 0o600, 0, 0));
    const reader = openSync(join(folder, 'fifo'), 'r+');
    const writer = open(join(folder, 'fifo'), 'w');
    closeSync(reader);
    expect(await ready(writer, POLLOUT)).toBe(POLLERR);
  });

  test('keeps the event loop alive until it is stopped', () => {
    const run = spawnSync(
      process.execPath,
      script(`
        const [a, b] = native.socketpair();
        const watch = native.watch(a, 1, () => { watch.stop(); console.log('seen'); });
        setTimeout(() => native.shutdown(b, 1), 1).unref();`),
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(run).toMatchObject({ status: 0, stdout: 'seen\n', stderr: '' });
  });

  test('what cannot be polled throws', () => {
    const before = openFds();
    expect(() => native.watch(99_999, POLLIN, () => undefined)).toThrow('fcntl');
    writeFileSync(join(folder, 'regular'), '');
    const fd = openSync(join(folder, 'regular'), 'r');
    expect(() => native.watch(fd, POLLIN, () => undefined)).toThrow('epoll_ctl');
    closeSync(fd);
    expect(() => native.watch(dir, 0, () => undefined)).toThrow(TypeError);
    expect(openFds()).toEqual(before);
  });
});

describe('sockets', () => {
  test('bytes and descriptors pass, close-on-exec; end of file is no bytes', () => {
    const [a, b] = ok(native.socketpair());
    expect(native.recv(a, 10)).toEqual({ call: 'recvmsg', errno: errno.EAGAIN });
    writeFileSync(join(folder, 'passed'), 'through');
    expect(native.send(b, Buffer.from('hello'), [open(join(folder, 'passed')), dir])).toBe(5);
    const got = ok(native.recv(a, 100));
    expect(got.bytes.toString()).toBe('hello');
    expect(got.fds).toHaveLength(2);
    expect(readFileSync(`/proc/self/fd/${got.fds[0]!}`, 'utf8')).toBe('through');
    for (const fd of got.fds) {
      const flags = /flags:\t(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!;
      expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
      native.close(fd);
    }
    ok(native.shutdown(b, 1));
    expect(ok(native.recv(a, 10)).bytes).toHaveLength(0);
    native.close(a);
    expect(native.send(b, Buffer.from('x'), [])).toEqual({ call: 'sendmsg', errno: errno.EPIPE });
    native.close(b);
  });

  test('a full socket says EAGAIN instead of blocking the loop', () => {
    const [a, b] = ok(native.socketpair()).map(keep) as [number, number];
    const chunk = Buffer.alloc(65_536);
    let last: Or<number>;
    do last = native.send(a, chunk, []);
    while (!isRefused(last));
    expect(last).toEqual({ call: 'sendmsg', errno: errno.EAGAIN });
    expect(ok(native.recv(b, 10)).bytes).toHaveLength(10);
  });

  test('as many descriptors as the kernel passes, and refusals', () => {
    const [a, b] = ok(native.socketpair()).map(keep) as [number, number];
    const before = openFds().length;
    expect(native.send(a, Buffer.from('x'), Array<number>(253).fill(dir))).toBe(1);
    const got = ok(native.recv(b, 1));
    expect(got.fds).toHaveLength(253);
    for (const fd of got.fds) native.close(fd);
    expect(native.send(a, Buffer.from('x'), Array<number>(254).fill(dir))).toMatchObject({ call: 'sendmsg' });
    expect(native.send(a, Buffer.from('x'), [99_999])).toEqual({ call: 'sendmsg', errno: errno.EBADF });
    expect(native.recv(dir, 1)).toEqual({ call: 'recvmsg', errno: errno.ENOTSOCK });
    expect(native.shutdown(dir, 1)).toEqual({ call: 'shutdown', errno: errno.ENOTSOCK });
    expect(openFds()).toHaveLength(before);
  });
});

describe('locks', () => {
  const ask = (code: string): unknown =>
    JSON.parse(
      execFileSync(process.execPath, script(`console.log(JSON.stringify(${code}))`), { encoding: 'utf8' }),
    ) as unknown;

  test('exclude another process, name the holder, and end with the descriptor', () => {
    const path = join(folder, 'lock');
    const quoted = JSON.stringify(path);
    const fd = ok(native.lock(path, false));
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(ask(`native.lock(${quoted}, false)`)).toEqual({ call: 'fcntl', errno: errno.EAGAIN });
    expect(ask(`native.lockHolder(${quoted})`)).toBe(process.pid);
    native.close(fd);
    expect(ask(`native.lockHolder(${quoted})`)).toBe(0);
    expect(ask(`typeof native.lock(${quoted}, false)`)).toBe('number');
  });

  test('are not inherited by a clone', () => {
    const path = join(folder, 'lock');
    const fd = ok(native.lock(path, false));
    sleeper({ fds: [fd] });
    expect(ask(`native.lockHolder(${JSON.stringify(path)})`)).toBe(process.pid);
    native.close(fd);
    expect(ask(`native.lockHolder(${JSON.stringify(path)})`)).toBe(0);
  });

  test('are free once their holder is killed, and can be waited for', async () => {
    const path = join(folder, 'lock');
    const code = `native.lock(${JSON.stringify(path)}, false); console.log('held'); process.stdin.on('data', () => process.exit());`;
    const { process: holder } = await helper(code);
    expect(native.lockHolder(path)).toBe(holder.pid);
    expect(native.lock(path, false)).toEqual({ call: 'fcntl', errno: errno.EAGAIN });
    holder.kill('SIGKILL');
    keep(ok(native.lock(path, true)));
  });

  test('refusals', () => {
    symlinkSync('/etc/passwd', join(folder, 'link'));
    expect(native.lock(join(folder, 'link'), false)).toEqual({ call: 'openat', errno: errno.ELOOP });
    expect(native.lock(join(folder, 'absent/lock'), false)).toEqual({ call: 'openat', errno: errno.ENOENT });
    expect(native.lockHolder(join(folder, 'absent'))).toEqual({ call: 'openat', errno: errno.ENOENT });
  });
});

describe('rtnetlink', () => {
  const name = () => `tdt${randomBytes(4).toString('hex')}`;
  const linkOf = (label: string) => ok(native.network(0)).links.find((link) => link.name === label);

  function bridge(): { label: string; index: number } {
    const label = name();
    const index = ok(native.bridgeCreate(label, '02:42:0a:0b:0c:0d'));
    undo.push(() => native.linkDelete(index));
    return { label, index };
  }

  asRoot('a bridge is born down, with its address, and can be raised, named and deleted', () => {
    const { label, index } = bridge();
    expect(linkOf(label)).toMatchObject({
      index,
      kind: 'bridge',
      mac: '02:42:0a:0b:0c:0d',
      master: 0,
      alias: '',
    });
    expect(linkOf(label)!.flags & 1).toBe(0);
    expect(native.linkUp(index, true)).toBe(0);
    expect(linkOf(label)!.flags & 1).toBe(1);
    expect(native.linkUp(index, false)).toBe(0);
    expect(native.linkAlias(index, 'tsdock:test')).toBe(0);
    expect(linkOf(label)).toMatchObject({ alias: 'tsdock:test', operstate: 'down' });
    expect(native.bridgeCreate(label, '02:42:0a:0b:0c:0d')).toEqual({
      call: 'RTM_NEWLINK',
      errno: errno.EEXIST,
    });
    expect(native.linkDelete(index)).toBe(0);
    expect(linkOf(label)).toBeUndefined();
    for (const gone of [native.linkDelete(index), native.linkUp(index, true), native.linkAlias(index, 'x')]) {
      expect(gone).toMatchObject({ errno: errno.ENODEV });
    }
    expect(native.bridgeCreate('x'.repeat(16), '02:42:0a:0b:0c:0d')).toMatchObject({ call: 'RTM_NEWLINK' });
    expect(() => native.linkAlias(1, 'x'.repeat(70_000))).toThrow('too long');
  });

  asRoot('addresses carry their broadcast, and a dump of many is complete', () => {
    const { index } = bridge();
    ok(native.linkUp(index, true));
    // 198.18.0.0/15 is set aside for tests of network devices.
    for (let n = 0; n < 300; n += 1)
      ok(native.addressAdd(index, `198.18.${Math.trunc(n / 200)}.${(n % 200) + 1}`, 24));
    ok(native.addressAdd(index, '198.19.0.1', 32));
    ok(native.addressAdd(index, 'fd00:7473::1', 64));
    expect(native.addressAdd(index, '198.19.0.1', 32)).toEqual({ call: 'RTM_NEWADDR', errno: errno.EEXIST });
    expect(native.addressAdd(999_999, '198.19.0.1', 32)).toEqual({
      call: 'RTM_NEWADDR',
      errno: errno.ENODEV,
    });
    const dump = ok(native.network(0));
    const own = dump.addresses.filter((address) => address.link === index);
    expect(own.filter((address) => address.family === 'inet')).toHaveLength(301);
    expect(own).toContainEqual({ link: index, family: 'inet6', address: 'fd00:7473::1', prefix: 64 });
    expect(dump.routes).toContainEqual({
      family: 'inet',
      destination: '198.18.0.0',
      prefix: 24,
      gateway: '',
      link: index,
      table: 254,
    });
    const shown = JSON.parse(execFileSync('ip', ['-j', '-4', 'addr', 'show'], { encoding: 'utf8' })) as {
      ifindex: number;
      addr_info: { local: string; broadcast?: string }[];
    }[];
    const addresses = shown.find((link) => link.ifindex === index)!.addr_info;
    expect(addresses.find((address) => address.local === '198.18.1.7')!.broadcast).toBe('198.18.1.255');
    expect(addresses.find((address) => address.local === '198.19.0.1')!.broadcast).toBeUndefined();
  });

  asRoot("a veth's peer is born in the other namespace, its host end in the bridge", () => {
    const { index: master } = bridge();
    const child = sleeper({ flags: CLONE_NEWNET });
    const label = name();
    const request = {
      name: label,
      peer: 'eth0',
      peerPid: child.pid,
      master,
      mtu: 1400,
      alias: 'tsdock:test',
    };
    const threads = readdirSync('/proc/self/task').length;
    const index = ok(native.vethCreate(request));
    const inside = ok(native.network(child.pid));
    expect(inside.links.map((link) => link.name)).toEqual(['lo', 'eth0']);
    const peer = inside.links[1]!;
    expect(peer).toMatchObject({ kind: 'veth', mtu: 1400, peer: index, master: 0 });
    const host = linkOf(label)!;
    expect(host).toMatchObject({
      index,
      kind: 'veth',
      mtu: 1400,
      peer: peer.index,
      master,
      alias: 'tsdock:test',
    });
    expect(host.flags & 1).toBe(1);
    expect(linkOf('eth0')?.peer).not.toBe(index);
    expect(native.vethCreate(request)).toEqual({ call: 'RTM_NEWLINK', errno: errno.EEXIST });
    expect(readdirSync('/proc/self/task')).toHaveLength(threads);
    ok(native.linkDelete(index));
    expect(ok(native.network(child.pid)).links.map((link) => link.name)).toEqual(['lo']);
  });

  asRoot('a veth that cannot be made complete is not left behind', async () => {
    const { index: master } = bridge();
    const child = sleeper({ flags: CLONE_NEWNET });
    const label = name();
    const request = {
      name: label,
      peer: 'eth0',
      peerPid: child.pid,
      master,
      mtu: 1400,
      alias: 'tsdock:test',
    };
    const before = openFds();
    expect(native.vethCreate({ ...request, alias: 'x'.repeat(300) })).toMatchObject({ call: 'RTM_SETLINK' });
    expect(native.vethCreate({ ...request, master: 999_999 })).toMatchObject({ call: 'RTM_NEWLINK' });
    expect(openFds()).toEqual(before);
    ok(native.pidfdSend(child.pidfd, 9));
    await ended(child);
    expect(native.vethCreate(request)).toEqual({ call: 'RTM_NEWLINK', errno: errno.ESRCH });
    expect(native.network(child.pid)).toEqual({ call: 'pidfd_open', errno: errno.ESRCH });
    expect(linkOf(label)).toBeUndefined();
  });
});
