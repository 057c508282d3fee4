/**
 * The directories of a tree that is being unpacked, by descriptor: the few that were used last stay open.
 *
 * Each is reached from the top by openat2 without following a link, leaving the tree or entering a mount; no other call takes
 * more than one plain name. A descriptor stays with its directory whatever is done to names, so what is stale can only be a
 * directory that this archive itself removed: `forget` says so, and in one that is removed nothing can be made any more.
 */
import { refusedWith } from '../kernel/calls.ts';
import { AT, O, RESOLVE, S } from '../kernel/flags.ts';
import type { Stat } from '../kernel/binding.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Rule } from './member-name.ts';
import { quoted } from './refusal.ts';

/** A link, a mount or the way up ends the walk; a name is never looked up twice. */
export const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV;

/** For trees of a person's own, which may have mounts in them. */
export const BENEATH_MOUNTS = BENEATH & ~RESOLVE.NO_XDEV;

const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
/** More than most trees are deep; few enough for any limit on descriptors. */
const MOST_OPEN = 64;
/** Somebody who exchanges names as fast as they are asked for could keep us here for ever. */
const MOST_TRIES = 16;
const OPAQUE = 'trusted.overlay.opaque';
const YES = Buffer.from('y');

export interface Folder {
  readonly fd: number;
  readonly ino: number;
  /** Relative to the top, which is `''`. */
  readonly path: string;
  /** The time that the archive gave it, which each file that comes into it would change. Undefined: it gave none. */
  time: bigint | undefined;
  /** Something was made in it since it got its time. */
  touched: boolean;
}

/** overlayfs's sign that the layers below have no such file: the name is there, and there is nothing behind it. */
export const isWhiteout = (stat: Stat): boolean =>
  (stat.mode & S.IFMT) === S.IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0;

export class Folders {
  private readonly sys: Kernel;
  private readonly open = new Map<string, Folder>();
  /** Inodes of the directories that the archive gave a time. */
  private readonly timed = new Set<number>();
  /** Some directory became opaque. */
  private opaques = false;
  private readonly held = new Set<Folder>();
  /** Descriptors of removed directories that may still be held. */
  private readonly gone: number[] = [];
  private readonly root: Folder;
  private readonly refuse: (rule: Rule) => Error;
  private readonly made: (folder: Folder) => void;
  private readonly whiteouts: boolean;
  private readonly resolve: number;

  /**
   * @param root - stays the caller's. @param refuse - makes the error. @param made - is told of each directory that had to
   * be made without a member of its own. @param whiteouts - what stands for a removed file gives way to a directory.
   * @param resolve - how a name is looked up: BENEATH, or with mounts.
   */
  constructor(
    sys: Kernel,
    root: number,
    refuse: (rule: Rule) => Error,
    made: (folder: Folder) => void,
    whiteouts: boolean,
    resolve = BENEATH,
  ) {
    this.sys = sys;
    this.refuse = refuse;
    this.made = made;
    this.whiteouts = whiteouts;
    this.resolve = resolve;
    this.root = { fd: root, ino: sys.fstat(root).ino, path: '', time: undefined, touched: false };
  }

  /** The directory of these components; made where it is not there. */
  reach(parts: readonly string[]): Folder {
    return this.hold(this.walk(parts, true) as Folder);
  }

  /** The same, or undefined where it, or one on the way, is not there. */
  find(parts: readonly string[]): Folder | undefined {
    const found = this.walk(parts, false);
    return found === undefined ? undefined : this.hold(found);
  }

  /** What was reached so far is not needed any more: until then it stays open, so that no number comes to mean another. */
  release(): void {
    this.held.clear();
    for (const fd of this.gone.splice(0)) this.sys.close(fd);
  }

  private hold(folder: Folder): Folder {
    this.held.add(folder);
    return folder;
  }

  private walk(parts: readonly string[], make: boolean): Folder | undefined {
    const whole = this.prefix(parts, parts.length);
    if (whole !== undefined) return whole;
    let [there, missing, at] = [0, parts.length, this.root];
    // Mostly it is the last one alone; else halves, as a hostile name has a thousand.
    for (let n = missing - 1; missing - there > 1; n = (there + missing) >> 1) {
      const found = this.prefix(parts, n);
      if (found === undefined) missing = n;
      else [there, at] = [n, found];
    }
    // From there on one by one: is it missing, or is something in the way?
    for (let n = there; n < parts.length; n += 1) {
      const next = this.step(at, parts[n] ?? '', parts.slice(0, n + 1).join('/'), make);
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }

  /** The directory of the first `count` components, where it is there and nothing is in the way. */
  private prefix(parts: readonly string[], count: number): Folder | undefined {
    if (count === 0) return this.root;
    const path = (count === parts.length ? parts : parts.slice(0, count)).join('/');
    return this.known(path) ?? this.openPath(this.root, path, path);
  }

  private known(path: string): Folder | undefined {
    const folder = this.open.get(path);
    if (folder === undefined) return undefined;
    this.open.delete(path);
    this.open.set(path, folder);
    return folder;
  }

  /** Undefined where something on the way is no directory, or not there: the walk one by one then says what. */
  private openPath(from: Folder, name: string, path: string): Folder | undefined {
    try {
      return this.keep(path, this.sys.openat2(from.fd, name, DIRECTORY, 0, this.resolve));
    } catch (error) {
      if (refusedWith(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) return undefined;
      throw error;
    }
  }

  private step(at: Folder, name: string, path: string, make: boolean): Folder | undefined {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const found = this.openPath(at, name, path);
      if (found !== undefined) return found;
      const stat = this.sys.fstatatIfThere(at.fd, name);
      if (stat !== undefined) {
        const kind = stat.mode & S.IFMT;
        // A directory that did not open just now is a mount, or was exchanged in between.
        if (kind === S.IFDIR && tries + 1 < MOST_TRIES) continue;
        if (!this.whiteouts || !isWhiteout(stat)) throw this.refuse(obstacle(kind, path));
      }
      if (!make) return undefined;
      if (stat !== undefined) this.sys.unlinkat(at.fd, name);
      const made = this.makeIn(at, name, path);
      if (made === undefined) continue;
      // A directory with setgid gives its group to what is made in it, and the umask is not ours to know.
      this.sys.fchownat(made.fd, '', 0, 0, AT.EMPTY_PATH);
      this.sys.fchmod(made.fd, 0o755);
      // What was hidden stays hidden: only the new directory's own files are to be seen.
      if (stat !== undefined) this.setOpaque(made);
      this.made(made);
      return made;
    }
    throw this.refuse({ reason: 'breakout', rule: `somebody else keeps exchanging ${quoted(path)}` });
  }

  /** A new directory, nobody's but root's until it gets its owner and mode. Undefined where the name was taken meanwhile. */
  makeIn(at: Folder, name: string, path: string): Folder | undefined {
    try {
      this.sys.mkdirat(at.fd, name, 0o700);
    } catch (error) {
      if (refusedWith(error, 'EEXIST')) return undefined;
      throw error;
    }
    at.touched = true;
    return this.openPath(at, name, path);
  }

  setOpaque(folder: Folder): void {
    this.opaques = true;
    this.sys.fsetxattr(folder.fd, OPAQUE, YES);
  }

  /** The time that the directory has at the end. */
  setTime(folder: Folder, time: bigint): void {
    folder.time = time;
    folder.touched = true;
    this.timed.add(folder.ino);
  }

  private keep(path: string, fd: number): Folder {
    const { ino, mtime } = this.sys.fstat(fd);
    const folder = { fd, ino, path, time: this.timed.has(ino) ? mtime : undefined, touched: false };
    this.open.set(path, folder);
    if (this.open.size > MOST_OPEN) this.leaveOldest(folder);
    return folder;
  }

  private leaveOldest(but: Folder): void {
    for (const folder of this.open.values()) {
      if (folder === but || this.held.has(folder)) continue;
      this.leave(folder);
      return;
    }
  }

  private leave(folder: Folder): void {
    this.open.delete(folder.path);
    try {
      this.restoreTime(folder);
    } finally {
      this.sys.close(folder.fd);
    }
  }

  private restoreTime(folder: Folder): void {
    if (folder.time !== undefined && folder.touched) this.sys.futimens(folder.fd, folder.time);
  }

  /** What is at the path is about to go, with all below it. */
  forget(path: string): void {
    for (const folder of [...this.open.values()]) {
      if (folder.path !== path && !folder.path.startsWith(`${path}/`)) continue;
      this.open.delete(folder.path);
      this.gone.push(folder.fd);
    }
  }

  /**
   * Removes the whiteouts beneath directories that are opaque: these are no merged ones for overlayfs, which would show the
   * names of such whiteouts with nothing behind. Once for the whole tree, as marks come in any order and number.
   */
  dropNeedlessWhiteouts(): void {
    if (!this.opaques) return;
    const waiting = [{ path: '', opaque: false }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { path } = next;
      const folder = this.find(path === '' ? [] : path.split('/'));
      if (folder === undefined) continue;
      const isOpaque = path !== '' && this.sys.fgetxattr(folder.fd, OPAQUE) !== undefined;
      const opaque = next.opaque || isOpaque;
      const { mtime } = this.sys.fstat(folder.fd);
      let dropped = false;
      for (const name of this.sys.readdir(folder.fd)) {
        const stat = this.sys.fstatatIfThere(folder.fd, name);
        if (stat === undefined) continue;
        if ((stat.mode & S.IFMT) === S.IFDIR)
          waiting.push({ path: path === '' ? name : `${path}/${name}`, opaque });
        else if (opaque && isWhiteout(stat)) {
          this.sys.unlinkat(folder.fd, name);
          dropped = true;
        }
      }
      if (dropped && folder.time === undefined) this.sys.futimens(folder.fd, mtime);
      else if (dropped) folder.touched = true;
      this.release();
    }
  }

  /** Gives each directory its time, the top too. */
  end(): void {
    this.release();
    for (const folder of [...this.open.values()]) this.leave(folder);
    this.restoreTime(this.root);
  }

  /** Closes all; for an unpacking that failed. */
  abandon(): void {
    this.release();
    for (const folder of this.open.values()) this.sys.close(folder.fd);
    this.open.clear();
  }
}

function obstacle(kind: number, path: string): Rule {
  const where = quoted(path);
  if (kind === S.IFLNK)
    return { reason: 'breakout', rule: `${where}, which it lies beneath, is a symbolic link` };
  if (kind === S.IFDIR)
    return { reason: 'breakout', rule: `${where}, which it lies beneath, leads into another mount` };
  return { reason: 'bad-archive', rule: `${where}, which it lies beneath, is no directory` };
}
