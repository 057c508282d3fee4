/**
 * Packs a tree into a tar archive, in the order of names, through descriptors only: the tree may be changed meanwhile, also
 * by somebody who means harm. What goes away before it is reached is left out; a file is as long as it was when it was
 * opened, cut or filled with zeroes.
 */
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Stat } from '../kernel/binding.ts';
import { O, S } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { EntryType, Extent, TarEntry } from './entry.ts';
import { DEFAULT_BUDGETS } from './budgets.ts';
import { BENEATH, BENEATH_MOUNTS, isWhiteout } from './folders.ts';
import { isKernels } from './kernel-file-systems.ts';
import { quoted } from './refusal.ts';
import { END, headerOf, padding } from './writer.ts';

export interface PackOptions {
  /** `layer`: whiteouts and opaque marks of overlayfs become `.wh.` names. `plain`: the tree as it is seen (`cp`). */
  readonly manner: 'layer' | 'plain';
  /** Put before every name, e.g. `etc/`; the top itself is then a member of this name. */
  readonly prefix?: string;
  /** Paths, without the prefix, that are left out, and what lies in them with them. */
  readonly except?: readonly string[];
  /** Of the names at the top only these. */
  readonly only?: readonly string[];
  /** What is mounted in the tree is packed as well, instead of being refused; of proc, sysfs and the like only the folder. */
  readonly mounts?: boolean;
}

/** @param folder - descriptor of a directory. The same tree gives the same bytes. */
export async function* pack(sys: Kernel, folder: number, options: PackOptions): AsyncGenerator<Uint8Array> {
  const packing = new Packing(sys.sparing(), folder, options);
  try {
    // A stream of many small pieces is slow for everybody after this.
    let small: Uint8Array[] = [];
    let length = 0;
    for (const piece of packing.all()) {
      if (piece.length === 0) continue;
      small.push(piece);
      length += piece.length;
      if (length < PIECE_BYTES) continue;
      yield await Promise.resolve(small.length === 1 ? piece : Buffer.concat(small, length));
      small = [];
      length = 0;
    }
    yield Buffer.concat([...small, END]);
  } finally {
    packing.close();
  }
}

const PIECE_BYTES = 256 * 1024;
/** A map of more parts than this is no help to anybody: the holes are then packed as zeroes. */
const MOST_EXTENTS = 10_000;
const SECTOR = 512;
const OVERLAY_MARKS = 'trusted.overlay.';
const OPAQUE = 'trusted.overlay.opaque';
/** What they stand for lies in another layer, so that this one cannot be understood without it. */
const FOREIGN_MARKS = ['trusted.overlay.redirect', 'trusted.overlay.metacopy'];
const WHITEOUT = '.wh.';
const PATH = O.PATH | O.NOFOLLOW | O.CLOEXEC;
const PERMISSIONS = 0o7777;

interface Level {
  readonly fd: number;
  /** Of its members: ends with a slash, or is empty. */
  readonly prefix: string;
  readonly names: readonly string[];
  next: number;
}

class Packing {
  private readonly sys: Kernel;
  private readonly options: PackOptions;
  private readonly levels: Level[] = [];
  /** Files with several names, by inode: the first name, and how many are still to come. */
  private readonly linked = new Map<string, { readonly name: string; left: number }>();
  private readonly top: number;
  private readonly prefix: string;
  private readonly except: ReadonlySet<string>;
  private readonly resolve: number;

  constructor(sys: Kernel, folder: number, options: PackOptions) {
    this.sys = sys;
    this.options = options;
    this.top = folder;
    this.resolve = options.mounts === true ? BENEATH_MOUNTS : BENEATH;
    const { prefix = '', except = [] } = options;
    this.prefix = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
    this.except = new Set(except.map((path) => `${this.prefix}${path}`));
  }

  close(): void {
    for (const { fd } of this.levels.splice(0)) if (fd !== this.top) this.sys.close(fd);
  }

  *all(): Generator<Uint8Array> {
    const { only } = this.options;
    const name = this.prefix;
    if (name !== '') yield* this.folder(this.top, this.sys.fstat(this.top), name);
    else yield* this.folderMarks(this.top, '');
    const wanted = (entry: string): boolean => only === undefined || only.includes(entry);
    this.enter(this.top, name, wanted);
    for (let level = this.levels.at(-1); level !== undefined; level = this.levels.at(-1)) {
      const entry = level.names[level.next];
      level.next += 1;
      if (entry !== undefined) yield* this.name(level, entry);
      else {
        this.levels.pop();
        if (level.fd !== this.top) this.sys.close(level.fd);
      }
    }
  }

  private enter(fd: number, prefix: string, wanted: (name: string) => boolean): void {
    if (this.levels.length > DEFAULT_BUDGETS.depth)
      throw refusal(prefix, `it is more than ${DEFAULT_BUDGETS.depth.toString()} folders deep`);
    this.levels.push({ fd, prefix, names: this.sys.readdir(fd).filter(wanted).sort(), next: 0 });
  }

  /**
   * First by a descriptor that is only a path, which opens nothing: somebody could put a device in a file's place, and some
   * devices act when they are opened. Then the very same inode is opened.
   */
  private *name(level: Level, own: string): Generator<Uint8Array> {
    const path = `${level.prefix}${own}`;
    if (this.except.has(path)) return;
    let handle: number;
    try {
      handle = this.sys.openat2(level.fd, own, PATH, 0, this.resolve);
    } catch (error) {
      if (!refusedWith(error, 'ENOENT')) throw error;
      // Names that are no UTF-8 come here with this sign in them, and are not found by it.
      if (own.includes('\ufffd')) throw refusal(path, 'its name is no UTF-8', error);
      return;
    }
    try {
      const stat = this.sys.fstat(handle);
      if (this.options.manner === 'layer') {
        if (isWhiteout(stat)) {
          yield headerOf(mark(`${level.prefix}${WHITEOUT}${own}`));
          return;
        }
        if (own.startsWith(WHITEOUT))
          throw refusal(path, 'in a layer such a name says that a file is removed');
      }
      yield* this.member(level, own, path, handle, stat);
    } finally {
      this.sys.close(handle);
    }
  }

  private *member(
    level: Level,
    own: string,
    path: string,
    handle: number,
    stat: Stat,
  ): Generator<Uint8Array> {
    const type = typeOf(stat);
    if (type === undefined) return;
    if (type === 'directory') {
      const fd = this.sys.openat2(handle, '.', O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, BENEATH);
      let kept = false;
      try {
        yield* this.folder(fd, stat, `${path}/`);
        const foreign = this.options.mounts === true && isKernels(this.sys.fstatfs(fd));
        if (!foreign) {
          this.enter(fd, `${path}/`, () => true);
          kept = true;
        }
      } finally {
        if (!kept) this.sys.close(fd);
      }
      return;
    }
    const first = stat.nlink > 1 ? this.firstName(stat, path) : undefined;
    if (first !== undefined) yield headerOf({ ...this.entry(path, 'hardlink', stat), linkname: first });
    else if (type === 'file') yield* this.file(handle, path, stat);
    else yield* this.node(level, own, handle, this.entry(path, type, stat));
  }

  private *node(level: Level, own: string, handle: number, entry: TarEntry): Generator<Uint8Array> {
    const linkname = entry.type === 'symlink' ? this.sys.readlinkat(handle, '') : '';
    const xattrs = this.xattrs(this.sys.listxattrat(level.fd, own), entry.name, (name) =>
      this.sys.getxattrat(level.fd, own, name),
    );
    yield headerOf({ ...entry, linkname, xattrs });
  }

  private *folder(fd: number, stat: Stat, name: string): Generator<Uint8Array> {
    yield headerOf({ ...this.entry(name, 'directory', stat), xattrs: this.xattrsOf(fd, name) });
    yield* this.folderMarks(fd, name);
  }

  private *folderMarks(fd: number, prefix: string): Generator<Uint8Array> {
    if (this.options.manner !== 'layer') return;
    if (this.sys.fgetxattr(fd, OPAQUE)?.toString() === 'y')
      yield headerOf(mark(`${prefix}${WHITEOUT}${WHITEOUT}.opq`));
  }

  private *file(handle: number, path: string, seen: Stat): Generator<Uint8Array> {
    // A magic link of the kernel's own to the very inode that was looked at.
    const self = `/proc/self/fd/${handle.toString()}`;
    const fd = this.sys.openat2(-100, self, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0, NO_RESTRICTION);
    try {
      const stat = { ...this.sys.fstat(fd), nlink: seen.nlink };
      const extents = this.extents(fd, stat);
      const entry = {
        ...this.entry(path, 'file', stat),
        size: stat.size,
        xattrs: this.xattrsOf(fd, path),
        ...(extents === undefined ? {} : { extents }),
      };
      yield headerOf(entry);
      let stored = 0;
      for (const extent of extents ?? [{ offset: 0, length: stat.size }]) {
        yield* this.content(fd, extent);
        stored += extent.length;
      }
      yield padding(stored);
    } finally {
      this.sys.close(fd);
    }
  }

  private *content(fd: number, { offset, length }: Extent): Generator<Uint8Array> {
    for (let at = offset; at < offset + length;) {
      const most = Math.min(PIECE_BYTES, offset + length - at);
      const bytes = this.sys.readAt(fd, most, at);
      // It became shorter: the header has said what comes.
      const piece = bytes.length === 0 ? new Uint8Array(most) : bytes;
      yield piece;
      at += piece.length;
    }
  }

  /** Undefined for a file without holes. */
  private extents(fd: number, { size, blocks }: Stat): Extent[] | undefined {
    if (blocks * SECTOR >= size) return undefined;
    const extents: Extent[] = [];
    for (let at = 0; at < size;) {
      const from = this.sys.seekData(fd, at);
      if (from < 0 || from >= size) break;
      const to = Math.min(size, this.sys.seekHole(fd, from));
      if (to <= from || extents.length === MOST_EXTENTS) return undefined;
      extents.push({ offset: from, length: to - from });
      at = to;
    }
    const [only] = extents;
    return extents.length === 1 && only?.length === size ? undefined : extents;
  }

  private firstName(stat: Stat, name: string): string | undefined {
    const key = `${stat.dev.toString()}:${stat.ino.toString()}`;
    const known = this.linked.get(key);
    if (known === undefined) {
      this.linked.set(key, { name, left: stat.nlink - 1 });
      return undefined;
    }
    known.left -= 1;
    if (known.left <= 0) this.linked.delete(key);
    return known.name;
  }

  private xattrsOf(fd: number, name: string): Map<string, Uint8Array> {
    return this.xattrs(this.sys.flistxattr(fd), name, (attribute) => this.sys.fgetxattr(fd, attribute));
  }

  private xattrs(
    names: readonly string[],
    path: string,
    get: (name: string) => Uint8Array | undefined,
  ): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const name of [...names].sort()) {
      if (this.options.manner === 'layer' && FOREIGN_MARKS.includes(name))
        throw refusal(path, `overlayfs keeps a part of it in another layer (${name})`);
      // Labels of the host's own security modules say nothing elsewhere; Docker takes the capability alone, too.
      if (name.startsWith(OVERLAY_MARKS)) continue;
      if (name.startsWith('security.') && name !== 'security.capability') continue;
      const value = get(name);
      if (value !== undefined) found.set(name, value);
    }
    return found;
  }

  private entry(name: string, type: EntryType, stat: Stat): TarEntry {
    return {
      name,
      type,
      mode: stat.mode & PERMISSIONS,
      uid: stat.uid,
      gid: stat.gid,
      size: 0,
      mtime: stat.mtime,
      linkname: '',
      major: type === 'character' || type === 'block' ? stat.rdevMajor : 0,
      minor: type === 'character' || type === 'block' ? stat.rdevMinor : 0,
      xattrs: NO_XATTRS,
    };
  }
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
/** For a path of ts-dock's own. */
const NO_RESTRICTION = 0;

function typeOf({ mode }: Stat): EntryType | undefined {
  switch (mode & S.IFMT) {
    case S.IFREG:
      return 'file';
    case S.IFDIR:
      return 'directory';
    case S.IFLNK:
      return 'symlink';
    case S.IFCHR:
      return 'character';
    case S.IFBLK:
      return 'block';
    case S.IFIFO:
      return 'fifo';
    default:
      // A socket is nothing without who made it; no tar has a type for it.
      return undefined;
  }
}

/** An empty file. Only its name says anything, so that nothing else makes one archive differ from another. */
function mark(name: string): TarEntry {
  const nobody = { mode: 0, uid: 0, gid: 0, size: 0, major: 0, minor: 0 };
  return { name, type: 'file', ...nobody, mtime: 0n, linkname: '', xattrs: NO_XATTRS };
}

function refusal(path: string, rule: string, cause?: unknown): TsDockError {
  return new TsDockError('bad-archive', `cannot pack ${quoted(path)}: ${rule}`, {
    means: 'An archive without it would not be the tree that it was made of.',
    remedy: 'Rename or remove it, then do this again.',
    ...(cause === undefined ? {} : { cause }),
  });
}
