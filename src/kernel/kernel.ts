/**
 * The kernel port: the only way from a step to the system, so that everything a step asks can be recorded and shown.
 *
 * Paths taken here are the daemon's own (beneath its root, or named by the user); what lies inside a container's root
 * filesystem is reached by the descriptor calls (`openat2` and friends) alone. A refused call throws {@link KernelError}.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import {
  binding,
  type Binding,
  type CloneRequest,
  type Cloned,
  type Ended,
  type NetworkDump,
  type Or,
  type Received,
  type Refused,
  type Stat,
  type VethRequest,
  type Watch,
  type WindowSize,
} from './binding.ts';
import { KernelError, now, refusedWith, type Call } from './calls.ts';
import { openDatabase, type SqlRow, type SqlValue } from './sqlite.ts';
import { CLONE, flagNames, MNT, MS, O, octal, POLL, RENAME, RESOLVE } from './flags.ts';

const quote = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text);
const at = (dirfd: number): string => (dirfd === -100 ? 'AT_FDCWD' : dirfd.toString());

function isRefused(value: unknown): value is Refused {
  return typeof value === 'object' && value !== null && 'errno' in value && 'call' in value;
}

/** What a program that was run to its end said. */
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Statements within a transaction. */
export interface Sql {
  exec(sql: string): void;
  run(sql: string, ...values: readonly SqlValue[]): void;
  /** The first row. */
  get(sql: string, ...values: readonly SqlValue[]): SqlRow | undefined;
}

/** How long a transaction waits for that of another process. */
const DATABASE_PATIENCE_MS = 10_000;

/** What is recorded at most until somebody takes it: a command that follows a log for days takes nothing. */
const MOST_CALLS = 10_000;

export class Kernel {
  private calls: Call[] = [];
  private more = 0;
  private most = MOST_CALLS;
  /** Who has the record, where this is a port of {@link sparing}. */
  private recorder: Kernel | undefined;
  private readonly native: () => Binding;

  constructor(native: () => Binding = binding) {
    this.native = native;
  }

  /** The calls since the last `taken()`, oldest first. */
  taken(): readonly Call[] {
    return this.takenOf().calls;
  }

  /** The same, and how many calls there were that were one too many to be recorded. */
  takenOf(): { readonly calls: readonly Call[]; readonly more: number } {
    const { calls, more } = this;
    this.calls = [];
    this.more = 0;
    return { calls, more };
  }

  // --- the daemon's own files ---------------------------------------------------------------------------------------

  mkdir(path: string, mode: number): void {
    this.file('mkdir', [quote(path), octal(mode)], () => {
      fs.mkdirSync(path, mode);
    });
  }

  /** Like mkdir, and nothing where it is there already. Parents must exist. True when it was made. */
  ensureDir(path: string, mode: number): boolean {
    // Most are there, and an exception that is caught at once takes longer than the question.
    if (this.exists(path)) return false;
    try {
      this.mkdir(path, mode);
      return true;
    } catch (error) {
      if (error instanceof KernelError && error.code === 'EEXIST') return false;
      throw error;
    }
  }

  readFile(path: string): string {
    return this.file(
      'read',
      [quote(path)],
      () => fs.readFileSync(path, 'utf8'),
      (text) => `${text.length.toString()} bytes`,
    );
  }

  /** The content, or undefined where there is no such file. */
  readIfThere(path: string): string | undefined {
    try {
      return this.readFile(path);
    } catch (error) {
      if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** A plain truncating write: for files that a crash may tear, and for files of /proc and /sys. */
  writeFile(path: string, data: string, mode = 0o600): void {
    this.file('write', [quote(path), quote(data)], () => {
      fs.writeFileSync(path, data, { mode });
    });
  }

  /**
   * Over what is there, which must not be longer. Where a file is emptied first, ext4 takes it for one that must not be lost
   * and starts writing it to the disk, which takes longer than all else here.
   */
  overwrite(path: string, data: string, mode = 0o600): void {
    this.file('pwrite64', [quote(path), quote(data), '0'], () => {
      const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT, mode);
      try {
        fs.writeSync(fd, data, 0);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  /** A new file: EEXIST where there is one, which makes it a lease that only one can take. */
  createFile(path: string, data: string, mode = 0o600): void {
    this.file('open', [quote(path), 'O_CREAT|O_EXCL|O_WRONLY', octal(mode)], () => {
      fs.writeFileSync(path, data, { mode, flag: 'wx' });
    });
  }

  /** Whole or not at all, also after a power cut: a temporary file, fsync, rename, fsync of the directory. */
  replaceFile(path: string, data: string, mode = 0o600): void {
    const temporary = `${path}.tmp`;
    this.file('rename', [quote(temporary), quote(path)], () => {
      const fd = fs.openSync(temporary, 'w', mode);
      try {
        // All of it, or an error: a single write on a full disk may take a part and say nothing.
        fs.writeFileSync(fd, data);
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(temporary, path);
      const folder = fs.openSync(dirname(path), 'r');
      try {
        fs.fsyncSync(folder);
      } finally {
        fs.closeSync(folder);
      }
    });
  }

  /** Whole or not at all for a killed process, not for a power cut: a temporary file and rename, without fsync. */
  replaceFileLoosely(path: string, data: string, mode = 0o600): void {
    this.file('rename', [quote(`${path}.tmp`), quote(path)], () => {
      fs.writeFileSync(`${path}.tmp`, data, { mode });
      fs.renameSync(`${path}.tmp`, path);
    });
  }

  readdirPath(path: string): string[] {
    return this.file(
      'getdents64',
      [quote(path)],
      () => fs.readdirSync(path),
      (names) => `${names.length.toString()} entries`,
    );
  }

  exists(path: string): boolean {
    return this.file(
      'access',
      [quote(path), 'F_OK'],
      () => fs.existsSync(path),
      (is) => (is ? '0' : 'no'),
    );
  }

  /** lstat(2). */
  lstat(path: string): fs.Stats {
    return this.file(
      'lstat',
      [quote(path)],
      () => fs.lstatSync(path),
      () => '0',
    );
  }

  stat(path: string): fs.Stats {
    return this.file(
      'stat',
      [quote(path)],
      () => fs.statSync(path),
      () => '0',
    );
  }

  /** statfs(2): of the file system that `path` lies on. */
  statfs(path: string): fs.StatsFs {
    return this.file(
      'statfs',
      [quote(path)],
      () => fs.statfsSync(path),
      () => '0',
    );
  }

  realpath(path: string): string {
    return this.file(
      'realpath',
      [quote(path)],
      () => fs.realpathSync(path),
      (text) => text,
    );
  }

  unlink(path: string): void {
    this.file('unlink', [quote(path)], () => {
      fs.unlinkSync(path);
    });
  }

  rmdir(path: string): void {
    this.file('rmdir', [quote(path)], () => {
      fs.rmdirSync(path);
    });
  }

  rename(from: string, to: string): void {
    this.file('rename', [quote(from), quote(to)], () => {
      fs.renameSync(from, to);
    });
  }

  symlink(target: string, path: string): void {
    this.file('symlink', [quote(target), quote(path)], () => {
      fs.symlinkSync(target, path);
    });
  }

  readlink(path: string): string {
    return this.file(
      'readlink',
      [quote(path)],
      () => fs.readlinkSync(path),
      (text) => quote(text),
    );
  }

  /** Copies content and permission bits of a host file (the base image is made of them). */
  copyFile(from: string, to: string): void {
    this.file('copy_file_range', [quote(from), quote(to)], () => {
      fs.copyFileSync(from, to);
      fs.chmodSync(to, fs.statSync(from).mode & 0o7777);
    });
  }

  chmod(path: string, mode: number): void {
    this.file('chmod', [quote(path), octal(mode)], () => {
      fs.chmodSync(path, mode);
    });
  }

  chown(path: string, uid: number, gid: number): void {
    this.file('lchown', [quote(path), uid.toString(), gid.toString()], () => {
      fs.lchownSync(path, uid, gid);
    });
  }

  // --- beneath a descriptor -----------------------------------------------------------------------------------------

  openat2(dirfd: number, path: string, flags: number, mode = 0, resolve: number = RESOLVE.BENEATH): number {
    const how = (): string =>
      `{flags=${openFlags(flags)}${mode === 0 ? '' : `, mode=${octal(mode)}`}, resolve=${flagNames('RESOLVE_', RESOLVE, resolve)}}`;
    return this.ask(
      'openat2',
      () => [at(dirfd), quote(path), how(), HOW_SIZE],
      (k) => k.openat2(dirfd, path, flags, mode, resolve),
    );
  }

  mkdirat(dirfd: number, name: string, mode: number): void {
    this.ask(
      'mkdirat',
      () => [at(dirfd), quote(name), octal(mode)],
      (k) => k.mkdirat(dirfd, name, mode),
    );
  }

  symlinkat(target: string, dirfd: number, name: string): void {
    this.ask(
      'symlinkat',
      () => [quote(target), at(dirfd), quote(name)],
      (k) => k.symlinkat(target, dirfd, name),
    );
  }

  readlinkat(dirfd: number, name: string): string {
    return this.ask(
      'readlinkat',
      () => [at(dirfd), quote(name)],
      (k) => k.readlinkat(dirfd, name),
    );
  }

  unlinkat(dirfd: number, name: string, flags = 0): void {
    this.ask(
      'unlinkat',
      () => [at(dirfd), quote(name), flags === 0 ? '0' : 'AT_REMOVEDIR'],
      (k) => k.unlinkat(dirfd, name, flags),
    );
  }

  mknodat(dirfd: number, name: string, mode: number, major: number, minor: number): void {
    const device = `makedev(${major.toString()}, ${minor.toString()})`;
    this.ask(
      'mknodat',
      () => [at(dirfd), quote(name), octal(mode), device],
      (k) => k.mknodat(dirfd, name, mode, major, minor),
    );
  }

  fchownat(dirfd: number, name: string, uid: number, gid: number, flags: number): void {
    const args = () => [at(dirfd), quote(name), uid.toString(), gid.toString(), `0x${flags.toString(16)}`];
    this.ask('fchownat', args, (k) => k.fchownat(dirfd, name, uid, gid, flags));
  }

  fchmod(fd: number, mode: number): void {
    this.ask(
      'fchmod',
      () => [fd.toString(), octal(mode)],
      (k) => k.fchmod(fd, mode),
    );
  }

  fstat(fd: number): Stat {
    return this.ask(
      'fstat',
      () => [fd.toString()],
      (k) => k.fstat(fd),
    );
  }

  fstatfs(fd: number): number {
    return this.ask('fstatfs', [fd.toString()], (k) => k.fstatfs(fd));
  }

  readdir(fd: number): string[] {
    return this.ask(
      'getdents64',
      () => [fd.toString()],
      (k) => k.readdir(fd),
    );
  }

  readFd(fd: number, max: number): Buffer {
    return this.ask(
      'pread64',
      [fd.toString(), max.toString(), '0'],
      (k) => k.readFd(fd, max),
      (bytes) => bytes.length.toString(),
    );
  }

  /** At most `max` bytes from `offset` on. */
  pread(fd: number, max: number, offset: number): Buffer {
    return this.file(
      'pread64',
      [fd.toString(), max.toString(), offset.toString()],
      () => this.readAt(fd, max, offset),
      (bytes) => bytes.length.toString(),
    );
  }

  /** The same, not recorded: a log may be long. */
  readAt(fd: number, max: number, offset: number): Buffer {
    const bytes = Buffer.alloc(max);
    return bytes.subarray(0, fs.readSync(fd, bytes, 0, max, offset));
  }

  /** What comes out of a file or a pipe, from its beginning on. Opened and read beside the event loop. Not recorded. */
  streamFile(path: string): AsyncIterable<Uint8Array> {
    return fs.createReadStream(path);
  }

  /** Calls back whenever something in a folder of the daemon's changes; at least once for several changes. Keeps the event loop alive. */
  watchFolder(path: string, changed: () => void): Watch {
    const watcher = fs.watch(path, changed);
    // The folder may be removed while it is watched; that is a change, too.
    watcher.on('error', changed);
    return {
      stop: () => {
        watcher.close();
      },
    };
  }

  writeFd(fd: number, bytes: Uint8Array): number {
    return this.ask(
      'write',
      () => [fd.toString(), `${bytes.length.toString()} bytes`],
      (k) => k.writeFd(fd, bytes),
    );
  }

  close(fd: number): void {
    this.ask(
      'close',
      () => [fd.toString()],
      (k) => k.close(fd),
    );
  }

  /** Exchanges or moves (RENAME of flags.ts); neither name is followed. */
  renameat2(fromDir: number, from: string, toDir: number, to: string, flags = 0): void {
    const words = (): string[] => [
      at(fromDir),
      quote(from),
      at(toDir),
      quote(to),
      flagNames('RENAME_', RENAME, flags),
    ];
    this.ask('renameat2', words, (k) => k.renameat2(fromDir, from, toDir, to, flags));
  }

  // --- what archives bring: one plain name at a descriptor, never followed --------------------------------------------

  linkat(fromDir: number, from: string, toDir: number, to: string): void {
    this.ask(
      'linkat',
      () => [at(fromDir), quote(from), at(toDir), quote(to), '0'],
      (k) => k.linkat(fromDir, from, toDir, to),
    );
  }

  /** Both times, in nanoseconds since 1970. */
  utimensat(dirfd: number, name: string, time: bigint): void {
    this.ask(
      'utimensat',
      () => [at(dirfd), quote(name), nanoseconds(time), 'AT_SYMLINK_NOFOLLOW'],
      (k) => k.utimensat(dirfd, name, time),
    );
  }

  futimens(fd: number, time: bigint): void {
    this.ask(
      'utimensat',
      () => [fd.toString(), 'NULL', nanoseconds(time), '0'],
      (k) => k.futimens(fd, time),
    );
  }

  fstatat(dirfd: number, name: string): Stat {
    return this.ask(
      'newfstatat',
      () => [at(dirfd), quote(name), 'AT_SYMLINK_NOFOLLOW'],
      (k) => k.fstatat(dirfd, name),
    );
  }

  /** Undefined where there is nothing of this name. */
  fstatatIfThere(dirfd: number, name: string): Stat | undefined {
    try {
      return this.fstatat(dirfd, name);
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  fchmodat(dirfd: number, name: string, mode: number): void {
    this.ask(
      'fchmodat2',
      () => [at(dirfd), quote(name), octal(mode), 'AT_SYMLINK_NOFOLLOW'],
      (k) => k.fchmodat(dirfd, name, mode),
    );
  }

  fsetxattr(fd: number, name: string, value: Uint8Array): void {
    this.ask(
      'fsetxattr',
      () => [fd.toString(), quote(name), bytesOf(value), '0'],
      (k) => k.fsetxattr(fd, name, value),
    );
  }

  /** Undefined where there is none of this name, or the file system has none at all. */
  fgetxattr(fd: number, name: string): Buffer | undefined {
    return this.attribute(() =>
      this.ask(
        'fgetxattr',
        () => [fd.toString(), quote(name)],
        (k) => k.fgetxattr(fd, name),
        bytesOf,
      ),
    );
  }

  flistxattr(fd: number): string[] {
    return (
      this.attribute(() =>
        this.ask(
          'flistxattr',
          () => [fd.toString()],
          (k) => k.flistxattr(fd),
          (names) => `[${names.map(quote).join(', ')}]`,
        ),
      ) ?? []
    );
  }

  fremovexattr(fd: number, name: string): void {
    this.ask(
      'fremovexattr',
      () => [fd.toString(), quote(name)],
      (k) => k.fremovexattr(fd, name),
    );
  }

  setxattrat(dirfd: number, file: string, name: string, value: Uint8Array): void {
    this.ask(
      'lsetxattr',
      () => [throughProc(dirfd, file), quote(name), bytesOf(value), '0'],
      (k) => k.setxattrat(dirfd, file, name, value),
    );
  }

  getxattrat(dirfd: number, file: string, name: string): Buffer | undefined {
    return this.attribute(() =>
      this.ask(
        'lgetxattr',
        () => [throughProc(dirfd, file), quote(name)],
        (k) => k.getxattrat(dirfd, file, name),
        bytesOf,
      ),
    );
  }

  listxattrat(dirfd: number, file: string): string[] {
    return (
      this.attribute(() =>
        this.ask(
          'llistxattr',
          () => [throughProc(dirfd, file)],
          (k) => k.listxattrat(dirfd, file),
          (names) => `[${names.map(quote).join(', ')}]`,
        ),
      ) ?? []
    );
  }

  removexattrat(dirfd: number, file: string, name: string): void {
    this.ask(
      'lremovexattr',
      () => [throughProc(dirfd, file), quote(name)],
      (k) => k.removexattrat(dirfd, file, name),
    );
  }

  private attribute<T>(ask: () => T): T | undefined {
    try {
      return ask();
    } catch (error) {
      if (refusedWith(error, 'ENODATA', 'EOPNOTSUPP')) return undefined;
      throw error;
    }
  }

  ftruncate(fd: number, size: number): void {
    this.ask(
      'ftruncate',
      () => [fd.toString(), size.toString()],
      (k) => k.ftruncate(fd, size),
    );
  }

  /** All of `bytes`. */
  pwrite(fd: number, bytes: Uint8Array, offset: number): void {
    this.ask(
      'pwrite64',
      () => [fd.toString(), bytesOf(bytes), offset.toString()],
      (k) => k.pwrite(fd, bytes, offset),
    );
  }

  /** Where data begins, from `offset` on; -1: from there on is only a hole. */
  seekData(fd: number, offset: number): number {
    return this.ask(
      'lseek',
      () => [fd.toString(), offset.toString(), 'SEEK_DATA'],
      (k) => k.seekData(fd, offset),
    );
  }

  /** Where a hole begins, from `offset` on: at the latest at the file's end. */
  seekHole(fd: number, offset: number): number {
    return this.ask(
      'lseek',
      () => [fd.toString(), offset.toString(), 'SEEK_HOLE'],
      (k) => k.seekHole(fd, offset),
    );
  }

  removeTree(dirfd: number, name: string): void {
    this.ask('unlinkat*', [at(dirfd), quote(name)], (k) => k.removeTree(dirfd, name));
  }

  sealedCopy(fd: number, name: string): number {
    // Kernels before 6.3 do not know MFD_EXEC, and are asked again without it.
    return this.ask('memfd_create', [quote(name), 'MFD_CLOEXEC|MFD_ALLOW_SEALING|MFD_EXEC'], (k) =>
      k.sealedCopy(fd, name),
    );
  }

  // --- mounts -------------------------------------------------------------------------------------------------------

  /** mount(2); with `dirfd` the call's working directory, for overlay options made of short relative names. */
  mount(source: string, target: string, fstype: string, flags: number, data: string, dirfd = -100): void {
    const args = [quote(source), quote(target), quote(fstype), flagNames('MS_', MS, flags), quote(data)];
    this.ask('mount', args, (k) => k.mount(dirfd, source, target, fstype, flags, data));
  }

  umount(target: string, flags: number): void {
    this.ask('umount2', [quote(target), flagNames('MNT_', MNT, flags)], (k) => k.umount2(target, flags));
  }

  /** In a mount namespace that ends with the call; see `Binding.tryMounts`. */
  tryMounts(
    trials: readonly (readonly [source: string, target: string, fstype: string, data: string])[],
    files: readonly string[] = [],
  ): void {
    const args = trials.map((trial) => trial.map(quote).join(', '));
    this.ask('mount', args, (k) => k.tryMounts(trials, files));
  }

  lackingCalls(): string[] {
    return this.ask('syscall', ['one of each that is needed'], (k) => k.lackingCalls());
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  clone(request: CloneRequest): Cloned {
    const flags = `${flagNames('CLONE_', CLONE, request.flags)}|CLONE_VM|CLONE_VFORK|CLONE_PIDFD|CLONE_CLEAR_SIGHAND`;
    const args = [`{flags=${flags}, exit_signal=SIGCHLD}`, `execveat(${request.argv.map(quote).join(' ')})`];
    return this.ask(
      'clone3',
      args,
      (k) => k.clone(request),
      (cloned) => cloned.pid.toString(),
    );
  }

  pidfdOpen(pid: number): number {
    return this.ask('pidfd_open', [pid.toString()], (k) => k.pidfdOpen(pid));
  }

  pidfdSend(pidfd: number, signal: number): void {
    this.ask('pidfd_send_signal', [pidfd.toString(), signal.toString()], (k) => k.pidfdSend(pidfd, signal));
  }

  kill(pid: number, signal: number): void {
    this.ask('kill', [pid.toString(), signal.toString()], (k) => k.kill(pid, signal));
  }

  waitPidfd(pidfd: number, keep = false): Ended | null {
    const args = ['P_PIDFD', pidfd.toString(), `WEXITED|WNOHANG${keep ? '|WNOWAIT' : ''}`];
    return this.ask(
      'waitid',
      args,
      (k) => k.waitPidfd(pidfd, keep),
      (ended) => (ended === null ? 'alive' : `${ended.how} ${ended.status.toString()}`),
    );
  }

  /** Not recorded: it asks nothing, it waits. */
  watch(fd: number, events: number, callback: (revents: number) => void): Watch {
    return this.native().watch(fd, events, callback);
  }

  /**
   * Calls back when something in a folder is made, renamed, changed or removed. Where the host's watches are all taken it
   * calls back from time to time instead: the caller looks for himself in any case. Not recorded: it waits.
   */
  changesIn(folder: string, callback: () => void): Watch {
    try {
      const watcher = fs.watch(folder, callback);
      watcher.on('error', callback);
      return { stop: () => watcher.close() };
    } catch {
      const timer = setInterval(callback, 50);
      return { stop: () => clearInterval(timer) };
    }
  }

  /** Resolves when `fd` can be read; for a pidfd: when the process has ended. */
  readable(fd: number): Promise<void> {
    return new Promise((resolve) => {
      const watch = this.watch(fd, POLL.IN, () => {
        watch.stop();
        resolve();
      });
    });
  }

  cloexecFrom(first: number): void {
    this.ask('close_range', [first.toString(), '~0U', 'CLOSE_RANGE_CLOEXEC'], (k) => k.cloexecFrom(first));
  }

  /**
   * Runs a program of the host to its end, without a shell and with a clean environment. Throws only where it cannot be
   * started, or takes longer than `patience` milliseconds. What goes in is not recorded, nor is what comes out.
   */
  exec(
    file: string,
    args: readonly string[],
    input?: string,
    {
      env = {},
      patience,
    }: { readonly env?: Readonly<Record<string, string>>; readonly patience?: number } = {},
  ): Ran {
    const { spawnSync } = process.getBuiltinModule('node:child_process');
    return this.file(
      'execve',
      [quote(file), `[${args.map(quote).join(', ')}]`],
      () => {
        const options = {
          encoding: 'utf8',
          env: { ...env, PATH: HOST_PATH, LC_ALL: 'C' },
          ...(input === undefined ? {} : { input }),
          ...(patience === undefined ? {} : { timeout: patience, killSignal: 'SIGKILL' as const }),
        } as const;
        const done = spawnSync(file, args, options);
        if (done.error !== undefined) throw done.error;
        return { status: done.status ?? 128, stdout: done.stdout, stderr: done.stderr };
      },
      (ran) => `exit ${ran.status.toString()}`,
    );
  }

  /** Where `name` lies on the host's own search path; undefined where it does not. */
  findProgram(name: string): string | undefined {
    return HOST_PATH.split(':')
      .map((folder) => `${folder}/${name}`)
      .find((path) => fs.existsSync(path));
  }

  // --- the database -------------------------------------------------------------------------------------------------

  /**
   * One exclusive transaction on an SQLite file, which is made if it is not there; each statement is recorded. Thrown
   * means rolled back. Not fsynced: a killed process leaves the file whole (the next one to open it rolls back).
   */
  transaction<T>(path: string, act: (sql: Sql) => T): T {
    const database = this.file('sqlite3_open', [quote(path)], () => openDatabase(path, DATABASE_PATIENCE_MS));
    const tell = <R>(sql: string, values: readonly SqlValue[], doIt: () => R): R =>
      this.file('sqlite3_exec', [sql, ...values.map((value) => JSON.stringify(value))], doIt, (row) =>
        row === undefined ? '0' : JSON.stringify(row),
      );
    const exec = (sql: string): void => {
      tell(sql, [], () => {
        database.exec(sql);
      });
    };
    try {
      exec('PRAGMA synchronous=OFF');
      // To make its file anew for each transaction, and to remove it, takes longer than all else of one.
      exec('PRAGMA journal_mode=TRUNCATE');
      exec('BEGIN EXCLUSIVE');
      try {
        const value = act({
          exec,
          run: (sql, ...values) => {
            tell(sql, values, () => {
              database.run(sql, values);
            });
          },
          get: (sql, ...values) => tell(sql, values, () => database.get(sql, values)),
        });
        exec('COMMIT');
        return value;
      } catch (error) {
        // Closing rolls back as well: a refusal here must not hide the first error.
        if (!refusedWith(error, 'SQLITE_BUSY')) attemptOf(() => exec('ROLLBACK'));
        throw error;
      }
    } finally {
      database.close();
    }
  }

  // --- descriptors and locks ----------------------------------------------------------------------------------------

  socketpair(): [number, number] {
    return this.ask(
      'socketpair',
      ['AF_UNIX', 'SOCK_STREAM|SOCK_CLOEXEC', '0'],
      (k) => k.socketpair(),
      (pair) => `[${pair.join(', ')}]`,
    );
  }

  pipe(): [number, number] {
    return this.ask(
      'pipe2',
      ['O_CLOEXEC'],
      (k) => k.pipe(),
      (ends) => `[${ends.join(', ')}]`,
    );
  }

  /** What lies in a pipe of {@link pipe}: empty at its end, undefined while nothing does. Not recorded, as `recv` is not. */
  readPipe(fd: number, max: number): Buffer | undefined {
    const buffer = Buffer.allocUnsafe(max);
    try {
      return buffer.subarray(0, fs.readSync(fd, buffer, 0, max, null));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
      throw new KernelError('read', [fd.toString()], (error as NodeJS.ErrnoException).code ?? 'EIO');
    }
  }

  /** Not recorded either: it happens between steps, or within any. */
  closePipe(fd: number): void {
    fs.closeSync(fd);
  }

  send(fd: number, bytes: Uint8Array, fds: readonly number[] = []): number {
    return this.ask(
      'sendmsg',
      [fd.toString(), quote(Buffer.from(bytes.subarray(4)).toString()), 'MSG_NOSIGNAL'],
      (k) => k.send(fd, bytes, fds),
    );
  }

  /** Undefined while there is nothing to read. Not recorded: the frames that came are. */
  recv(fd: number, max: number): Received | undefined {
    const got = this.native().recv(fd, max);
    if (!isRefused(got)) return got;
    const error = new KernelError(got.call, [fd.toString()], got.errno);
    if (error.code === 'EAGAIN') return undefined;
    throw error;
  }

  connect(path: string): number {
    return this.ask('connect', ['AF_UNIX', quote(path)], (k) => k.connect(path));
  }

  /** Bytes sent, 0 where there is no room now. Not recorded: it carries what a program says, and goes on as long as it does. */
  transmit(fd: number, bytes: Uint8Array, fds: readonly number[] = []): number {
    const sent = this.native().send(fd, bytes, fds);
    if (!isRefused(sent)) return sent;
    const error = new KernelError(sent.call, [fd.toString()], sent.errno);
    if (error.code === 'EAGAIN') return 0;
    throw error;
  }

  shutdown(fd: number, how: number): void {
    this.ask('shutdown', [fd.toString(), how.toString()], (k) => k.shutdown(fd, how));
  }

  /**
   * The descriptor of the lock, or undefined where another process has it (never with `wait`). With `byte` only that byte
   * of the file is locked: several processes can then hold it, and only who has the whole knows that all are gone.
   */
  lock(path: string, wait: boolean, byte?: number): number | undefined {
    const got = this.native().lock(path, wait, byte);
    if (!isRefused(got)) return got;
    const error = new KernelError(got.call, [quote(path), 'F_WRLCK'], got.errno);
    if (error.code === 'EAGAIN' || error.code === 'EACCES') return undefined;
    throw error;
  }

  lockHolder(path: string): number {
    return this.ask('fcntl', [quote(path), 'F_GETLK'], (k) => k.lockHolder(path));
  }

  // --- network ------------------------------------------------------------------------------------------------------

  network(pid = 0): NetworkDump {
    return this.ask(
      'RTM_GETLINK',
      [pid === 0 ? 'this namespace' : `namespace of ${pid.toString()}`],
      (k) => k.network(pid),
      (dump) => `${dump.links.length.toString()} links`,
    );
  }

  bridgeCreate(name: string, mac: string): number {
    return this.ask('RTM_NEWLINK', [`name=${name}`, 'kind=bridge', `address=${mac}`], (k) =>
      k.bridgeCreate(name, mac),
    );
  }

  vethCreate(request: VethRequest): number {
    const args = [
      `name=${request.name}`,
      'kind=veth',
      `master=${request.master.toString()}`,
      `peer={name=${request.peer}, netns of ${request.peerPid.toString()}}`,
      `mtu=${request.mtu.toString()}`,
    ];
    return this.ask('RTM_NEWLINK', args, (k) => k.vethCreate(request));
  }

  linkUp(index: number, up: boolean): void {
    this.ask('RTM_SETLINK', [`index=${index.toString()}`, up ? 'IFF_UP' : '~IFF_UP'], (k) =>
      k.linkUp(index, up),
    );
  }

  linkAlias(index: number, alias: string): void {
    this.ask('RTM_SETLINK', [`index=${index.toString()}`, `ifalias=${alias}`], (k) =>
      k.linkAlias(index, alias),
    );
  }

  linkDelete(index: number): void {
    this.ask('RTM_DELLINK', [`index=${index.toString()}`], (k) => k.linkDelete(index));
  }

  addressAdd(index: number, address: string, prefix: number): void {
    this.ask('RTM_NEWADDR', [`index=${index.toString()}`, `${address}/${prefix.toString()}`], (k) =>
      k.addressAdd(index, address, prefix),
    );
  }

  // --- terminals ----------------------------------------------------------------------------------------------------

  isTerminal(fd: number): boolean {
    return this.native().isTerminal(fd);
  }

  windowSize(fd: number): WindowSize {
    return this.ask(
      'ioctl',
      [fd.toString(), 'TIOCGWINSZ'],
      (k) => k.windowSize(fd),
      ({ rows, columns }) => `{rows=${rows.toString()}, columns=${columns.toString()}}`,
    );
  }

  setWindowSize(fd: number, rows: number, columns: number): void {
    const size = `{rows=${rows.toString()}, columns=${columns.toString()}}`;
    this.ask('ioctl', [fd.toString(), 'TIOCSWINSZ', size], (k) => k.setWindowSize(fd, rows, columns));
  }

  /** The modes that `setTerminalModes` gives back. */
  makeRaw(fd: number): Uint8Array {
    return this.ask('tcsetattr', [fd.toString(), 'TCSADRAIN', 'raw'], (k) => k.makeRaw(fd));
  }

  setTerminalModes(fd: number, modes: Uint8Array): void {
    this.ask('tcsetattr', [fd.toString(), 'TCSADRAIN', 'as before'], (k) => k.setTerminalModes(fd, modes));
  }

  nonblocking(fd: number): void {
    this.ask('fcntl', [fd.toString(), 'F_SETFL', 'O_NONBLOCK'], (k) => k.nonblocking(fd));
  }

  /** What is there to read now: empty at the end, undefined while there is nothing. Not recorded: it is data. */
  readNow(fd: number, max: number): Buffer | undefined {
    return this.now('read', fd, (k) => k.read(fd, max));
  }

  /** How much of `bytes` could be written now: undefined when nothing. Not recorded: it is data. */
  writeNow(fd: number, bytes: Uint8Array): number | undefined {
    return this.now('write', fd, (k) => k.writeFd(fd, bytes));
  }

  private now<T>(call: string, fd: number, act: (native: Binding) => Or<T>): T | undefined {
    const got = act(this.native());
    if (!isRefused(got)) return got;
    const error = new KernelError(call, [fd.toString()], got.errno);
    if (error.code === 'EAGAIN') return undefined;
    throw error;
  }

  // --- recording ----------------------------------------------------------------------------------------------------

  /** Takes down what another part of the port asked: a request over the network. */
  note(call: Call): void {
    this.record(call);
  }

  /**
   * A port for work that consists of very many calls of a few kinds: the first `most` of them are recorded here, so that
   * what the step does before and after still is.
   */
  sparing(most = 1_000): Kernel {
    const port = new Kernel(this.native);
    port.recorder = this;
    port.most = most;
    return port;
  }

  private mayRecord(): boolean {
    return this.recorder === undefined
      ? this.calls.length < this.most
      : this.most > 0 && this.recorder.mayRecord();
  }

  private leftOut(): void {
    if (this.recorder === undefined) this.more += 1;
    else this.recorder.leftOut();
  }

  private record(call: Call): void {
    if (!this.mayRecord()) this.leftOut();
    else if (this.recorder === undefined) this.calls.push(call);
    else {
      this.most -= 1;
      this.recorder.record(call);
    }
  }

  /** `words`: the arguments, made only where they are shown, as an archive brings calls by the hundred thousand. */
  private ask<T>(
    call: string,
    words: string[] | (() => string[]),
    act: (native: Binding) => Or<T>,
    show: (value: T) => string = shown,
  ): T {
    const recorded = this.mayRecord();
    const start = recorded ? now() : 0;
    const got = act(this.native());
    if (!recorded && !isRefused(got)) {
      this.leftOut();
      return got;
    }
    const args = typeof words === 'function' ? words() : words;
    if (isRefused(got)) {
      const error = new KernelError(got.call, args, got.errno);
      this.record({ call, args, result: '', errno: error.code, at: start, ns: now() - start });
      throw error;
    }
    this.record({ call, args, result: show(got), errno: '', at: start, ns: now() - start });
    return got;
  }

  private file<T>(call: string, args: string[], act: () => T, show: (value: T) => string = shown): T {
    const start = now();
    try {
      const value = act();
      this.record({ call, args, result: show(value), errno: '', at: start, ns: now() - start });
      return value;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
      this.record({ call, args, result: '', errno: code, at: start, ns: now() - start });
      throw new KernelError((error as NodeJS.ErrnoException).syscall ?? call, args, code);
    }
  }
}

const bytesOf = (value: Uint8Array): string => `${value.length.toString()} bytes`;
const throughProc = (dirfd: number, name: string): string =>
  quote(`/proc/self/fd/${dirfd.toString()}/${name}`);
const nanoseconds = (time: bigint): string => `{nanoseconds=${time.toString()}}`;

/** The host's programs are looked for here and nowhere else: never along a PATH that somebody handed to us. */
const HOST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** sizeof(struct open_how). */
const HOW_SIZE = '24';

/** O_RDONLY is zero, but a learner looks for it; with O_PATH nothing is read. */
function openFlags(flags: number): string {
  const names = flagNames('O_', O, flags);
  const reads = (flags & (O.WRONLY | O.RDWR | O.PATH)) === 0;
  if (!reads) return names;
  return names === '0' ? 'O_RDONLY' : `O_RDONLY|${names}`;
}

function attemptOf(act: () => void): void {
  try {
    act();
  } catch {
    // The caller has an error already.
  }
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toString() : typeof value === 'string' ? quote(value) : '0';
}
