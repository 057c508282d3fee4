/**
 * The contract of the native addon (`native/addon`): one function per kernel call that Node has no word for.
 *
 * TypeScript validates and words; native only asks the kernel. A call that the kernel refuses comes back as
 * {@link Refused}, never as an exception: an exception from here is a bug in the caller (a wrong type).
 * Descriptors that the addon opens are close-on-exec. Everything is synchronous, except what `watch` reports.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadAddon } from './addon.ts';

/** A system call that the kernel refused: its name as in the man pages (section 2) and the positive errno. */
export interface Refused {
  readonly call: string;
  readonly errno: number;
}

export type Or<T> = T | Refused;

/** stat(2) of what a descriptor refers to. Sizes in bytes, `mode` with the file type bits. */
export interface Stat {
  readonly dev: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly size: number;
  /** What lies on disk, in units of 512 bytes. */
  readonly blocks: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
}

/** What to clone: dockerinit from `exe` (a descriptor, by execveat with AT_EMPTY_PATH) in new namespaces. */
export interface CloneRequest {
  /** Descriptor of the executable. */
  readonly exe: number;
  readonly argv: readonly string[];
  /** Environment of dockerinit itself, `KEY=value`; never the container's. */
  readonly env: readonly string[];
  /** CLONE_NEW* bits; SIGCHLD, CLONE_PIDFD, CLONE_VM and CLONE_VFORK are added by the addon. */
  readonly flags: number;
  /** Directory that the child changes to before exec (the rootfs). */
  readonly cwd: string;
  /** `fds[n]` of the caller becomes descriptor n of the child; every other descriptor is closed. */
  readonly fds: readonly number[];
  /** It outlives us, in a session of its own, instead of being killed when we die. */
  readonly detached?: boolean;
}

export interface Cloned {
  readonly pid: number;
  readonly pidfd: number;
}

/** How a child ended, from waitid(2) and its rusage. Times in microseconds, `maxRss` in KiB. */
export interface Ended {
  /** 'exited': `status` is the exit code. 'killed' or 'dumped': `status` is the signal number. */
  readonly how: 'exited' | 'killed' | 'dumped';
  readonly status: number;
  readonly userTime: number;
  readonly systemTime: number;
  readonly maxRss: number;
}

/** What `recv` got. `bytes` of length 0 means end of file. */
export interface Received {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
}

/** A network link as rtnetlink reports it. `operstate` as in RFC 2863 (`up`, `down`, `lowerlayerdown`, ...). */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: `bridge`, `veth`, ...; empty when the link has none. */
  readonly kind: string;
  /** Hardware address, `aa:bb:cc:dd:ee:ff`, or empty. */
  readonly mac: string;
  readonly mtu: number;
  /** IFF_* bits. */
  readonly flags: number;
  readonly operstate: string;
  /** Index of the bridge that it belongs to, 0 without one. */
  readonly master: number;
  /** Index of the peer (IFLA_LINK), 0 without one; it may lie in another namespace. */
  readonly peer: number;
  readonly alias: string;
}

/** An IPv4 or IPv6 address on a link. */
export interface Address {
  readonly link: number;
  readonly family: 'inet' | 'inet6';
  readonly address: string;
  readonly prefix: number;
}

/** A route. `destination` is empty for the default route, `gateway` for a route without one. */
export interface Route {
  readonly family: 'inet' | 'inet6';
  readonly destination: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly link: number;
  readonly table: number;
}

/** All of rtnetlink's three dumps, of one network namespace. */
export interface NetworkDump {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
}

export interface VethRequest {
  /** Name on the host. */
  readonly name: string;
  /** Name inside the other namespace. */
  readonly peer: string;
  /** A process in the namespace where the peer is born. */
  readonly peerPid: number;
  /** Index of the bridge that the host's end belongs to. */
  readonly master: number;
  readonly mtu: number;
  /** IFLA_IFALIAS of the host's end, set in a second message: identity for undo. */
  readonly alias: string;
}

/** Of a terminal, in characters. */
export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** Native memory, freed with the object. */
export type ZstdDecoder = object & { readonly zstd?: never };

export interface ZstdStep {
  /** Bytes of the packed ones that it used. */
  readonly taken: number;
  /** Bytes that it wrote. */
  readonly given: number;
  /** A frame is whole, and all of it has been given out. */
  readonly between: boolean;
}

export interface Watch {
  /** Ends the watching; idempotent. Does not close the descriptor. */
  stop(): void;
}

export interface Binding {
  // --- files, relative to a descriptor (AT_FDCWD is -100) -----------------------------------------------------------
  /** openat2(2); `resolve` takes RESOLVE_* bits. */
  openat2(dirfd: number, path: string, flags: number, mode: number, resolve: number): Or<number>;
  mkdirat(dirfd: number, name: string, mode: number): Or<0>;
  mknodat(dirfd: number, name: string, mode: number, major: number, minor: number): Or<0>;
  symlinkat(target: string, dirfd: number, name: string): Or<0>;
  readlinkat(dirfd: number, name: string): Or<string>;
  unlinkat(dirfd: number, name: string, flags: number): Or<0>;
  renameat2(fromDir: number, from: string, toDir: number, to: string, flags: number): Or<0>;
  fchownat(dirfd: number, name: string, uid: number, gid: number, flags: number): Or<0>;
  fchmod(fd: number, mode: number): Or<0>;
  fstat(fd: number): Or<Stat>;
  /** The f_type of fstatfs(2), to tell a real procfs from a directory of that name. */
  fstatfs(fd: number): Or<number>;
  /** Names in a directory without `.` and `..`, in the kernel's order. */
  readdir(fd: number): Or<string[]>;
  /** At most `max` bytes from the start (pread). */
  readFd(fd: number, max: number): Or<Buffer>;
  writeFd(fd: number, bytes: Uint8Array): Or<number>;
  close(fd: number): Or<0>;

  // --- what archives bring; a name is one plain component and is never followed --------------------------------------
  linkat(fromDir: number, from: string, toDir: number, to: string): Or<0>;
  /** Both times, in nanoseconds since 1970 (64 bits). */
  utimensat(dirfd: number, name: string, time: bigint): Or<0>;
  futimens(fd: number, time: bigint): Or<0>;
  fstatat(dirfd: number, name: string): Or<Stat>;
  /** EOPNOTSUPP for a symbolic link, which has no mode of its own. */
  fchmodat(dirfd: number, name: string, mode: number): Or<0>;
  fsetxattr(fd: number, name: string, value: Uint8Array): Or<0>;
  fgetxattr(fd: number, name: string): Or<Buffer>;
  flistxattr(fd: number): Or<string[]>;
  fremovexattr(fd: number, name: string): Or<0>;
  /** The four on a name: l*xattr through /proc/self/fd, so that they also do what Linux 6.13's setxattrat does before it. */
  setxattrat(dirfd: number, file: string, name: string, value: Uint8Array): Or<0>;
  getxattrat(dirfd: number, file: string, name: string): Or<Buffer>;
  listxattrat(dirfd: number, file: string): Or<string[]>;
  removexattrat(dirfd: number, file: string, name: string): Or<0>;
  ftruncate(fd: number, size: number): Or<0>;
  /** All of `bytes`, at `offset`. */
  pwrite(fd: number, bytes: Uint8Array, offset: number): Or<number>;
  /** Where data (SEEK_DATA) or a hole (SEEK_HOLE) begins, from `offset` on; -1: not any more. */
  seekData(fd: number, offset: number): Or<number>;
  seekHole(fd: number, offset: number): Or<number>;

  /**
   * Removes `name` and all below it through descriptors only: O_NOFOLLOW, no crossing into another mount.
   * Gone already is success; `{call, errno}` names the first refusal, but the rest is removed all the same.
   */
  removeTree(dirfd: number, name: string): Or<0>;
  /** A sealed memfd (F_SEAL_SEAL|SHRINK|GROW|WRITE) with the content of `fd`, for a program that must not be overwritten. */
  sealedCopy(fd: number, name: string): Or<number>;
  /** F_SEALs of a memfd. */
  seals(fd: number): Or<number>;

  // --- mounts -------------------------------------------------------------------------------------------------------
  /** mount(2) with `dirfd` as the working directory of the call (so that overlay options may be short relative names); -100 leaves it. */
  mount(dirfd: number, source: string, target: string, fstype: string, flags: number, data: string): Or<0>;
  umount2(target: string, flags: number): Or<0>;
  /**
   * Tries mounts one after the other (source, target, type, data), then makes `files`, in a mount namespace of a thread's
   * own that ends with the call: nothing stays mounted, whatever happens to this process.
   */
  tryMounts(
    trials: readonly (readonly [source: string, target: string, fstype: string, data: string])[],
    files: readonly string[],
  ): Or<0>;
  /** The calls that ts-dock needs and that answer ENOSYS, asked with arguments that no kernel accepts. */
  lackingCalls(): Or<string[]>;

  // --- processes ----------------------------------------------------------------------------------------------------
  /**
   * clone3 in vfork manner on a stack of its own, with all signals blocked around it, then in the child: default signal
   * dispositions, PR_SET_PDEATHSIG SIGKILL, chdir, the descriptors put in place (0 to 2 without close-on-exec), the rest
   * closed, execveat. A failure in the child comes back with the call that failed there. Main thread only.
   */
  clone(request: CloneRequest): Or<Cloned>;
  pidfdOpen(pid: number): Or<number>;
  pidfdSend(pidfd: number, signal: number): Or<0>;
  /** waitid(P_PIDFD, WEXITED|WNOHANG|__WALL); null while it lives. With `keep`, WNOWAIT: looks without reaping. */
  waitPidfd(pidfd: number, keep: boolean): Or<Ended | null>;
  /** Calls back each time poll(2) has one of `events` (POLLIN 1, POLLOUT 4) on `fd`; keeps the event loop alive until stopped. */
  watch(fd: number, events: number, callback: (revents: number) => void): Watch;
  /** close-on-exec for every descriptor from `first` up: Node leaks what it inherited. */
  cloexecFrom(first: number): Or<0>;
  /** kill(2); for processes of which only the pid is known (then check the start time first). */
  kill(pid: number, signal: number): Or<0>;
  umask(mask: number): number;

  // --- descriptors and locks ----------------------------------------------------------------------------------------
  /** socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC). */
  socketpair(): Or<[number, number]>;
  /** connect(2) to a Unix stream socket; non-blocking afterwards. `path` may go through /proc/self/fd, for one too long for sun_path. */
  connect(path: string): Or<number>;
  /** pipe2(O_CLOEXEC): the end to read from, which does not block, and the end to write to, which does. */
  pipe(): Or<[number, number]>;
  /** sendmsg(MSG_NOSIGNAL|MSG_DONTWAIT) with descriptors by SCM_RIGHTS; bytes sent. */
  send(fd: number, bytes: Uint8Array, fds: readonly number[]): Or<number>;
  /** recvmsg(MSG_DONTWAIT|MSG_CMSG_CLOEXEC), at most `max` bytes; `{call, errno: EAGAIN}` when there is nothing yet. */
  recv(fd: number, max: number): Or<Received>;
  shutdown(fd: number, how: number): Or<0>;
  /**
   * A POSIX record lock on a file, made 0600 if absent; returns the descriptor that must stay open. Not inherited
   * by children, released when this process closes *any* descriptor of the file. With `wait` it blocks, else EAGAIN.
   * With `byte` only that byte of the file.
   */
  lock(path: string, wait: boolean, byte?: number): Or<number>;
  /** Pid of the process that holds the lock (F_GETLK), 0 if nobody does. Opens the file: never for a lock of this process. */
  lockHolder(path: string): Or<number>;

  // --- rtnetlink ----------------------------------------------------------------------------------------------------
  /** A dump of the namespace of process `pid` (0: this one's); a thread of its own enters it with setns. */
  network(pid: number): Or<NetworkDump>;
  /** Creates a bridge with hardware address `mac`, leaves it down; its index. */
  bridgeCreate(name: string, mac: string): Or<number>;
  /** A veth pair whose peer is born in the other namespace and whose host end has its master from the start; the host end's index. The host end is set up. */
  vethCreate(request: VethRequest): Or<number>;
  linkUp(index: number, up: boolean): Or<0>;
  linkAlias(index: number, alias: string): Or<0>;
  linkDelete(index: number): Or<0>;
  addressAdd(index: number, address: string, prefix: number): Or<0>;

  // --- terminals ----------------------------------------------------------------------------------------------------
  isTerminal(fd: number): boolean;
  /** TIOCGWINSZ. */
  windowSize(fd: number): Or<WindowSize>;
  /** TIOCSWINSZ; the kernel tells the terminal's foreground processes by SIGWINCH. */
  setWindowSize(fd: number, rows: number, columns: number): Or<0>;
  /** tcsetattr(2) with what cfmakeraw(3) makes of the modes: every byte goes through, both ways. The former modes. */
  makeRaw(fd: number): Or<Buffer>;
  /** Gives back what `makeRaw` answered; also from the background, where the terminal would stop others. */
  setTerminalModes(fd: number, modes: Uint8Array): Or<0>;
  /** O_NONBLOCK, for every holder of this open file. */
  nonblocking(fd: number): Or<0>;
  /** read(2), at most `max` bytes; empty at the end. */
  read(fd: number, max: number): Or<Buffer>;

  // --- zstd ---------------------------------------------------------------------------------------------------------
  /** A decoder of libzstd for windows of at most 2^`windowLog` bytes; null where there is no libzstd.so.1. */
  zstdOpen(windowLog: number): Or<ZstdDecoder> | null;
  /** ZSTD_decompressStream(): how far it came, or what it refuses, in its own words. */
  zstdDecode(decoder: ZstdDecoder, packed: Uint8Array, plain: Uint8Array): ZstdStep | string;
  /** Gives its memory back at once; idempotent. */
  zstdClose(decoder: ZstdDecoder): Or<0>;
}

/** Where build products lie: beside the bundle when installed, in the checkout's root in tests. */
export function buildFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'build', 'ts_dock.node')) && folder !== '/') folder = dirname(folder);
  return join(folder, 'build');
}

let loaded: Binding | undefined;

/** Loads the addon at its first use, so that `--help`, `explain` and reading a journal work without it. */
export function binding(): Binding {
  loaded ??= loadAddon(join(buildFolder(), 'ts_dock.node')) as Binding;
  return loaded;
}
