/**
 * Unpacks an archive into a folder that it may have been made to escape from. Every name is walked from the folder's
 * descriptor, one component at a time, without following a link (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS); no
 * path is ever joined (CVE-2014-6407, CVE-2014-9356, CVE-2025-47290).
 */
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Stat } from '../kernel/binding.ts';
import { AT, O, S } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Budgets } from './budgets.ts';
import type { Extent, TarEntry } from './entry.ts';
import { BENEATH, BENEATH_MOUNTS, Folders, isWhiteout, type Folder } from './folders.ts';
import { markOf, partsOf, type Rule } from './member-name.ts';
import { TarReader, type TarHandler } from './reader.ts';
import { quoted } from './refusal.ts';

export interface UnpackOptions {
  readonly budgets: Budgets;
  /** `layer`: `.wh.` names become whiteouts and opaque marks of overlayfs. `plain`: they are names like others (`cp`). */
  readonly manner: 'layer' | 'plain';
  /** Bytes of the archive that are no content, and the place of what is, for the layer's tar-split. */
  readonly split?: SplitSink;
  /** Decides of each member: another name or owner (`cp`), or null to leave it out. */
  readonly rewrite?: (entry: TarEntry) => TarEntry | null;
  /**
   * What the layers below have at a path: a descriptor, which the unpacking closes, or undefined. O_RDONLY for a file and a
   * directory, O_PATH for all else. It is asked for the target of a hard link that the layer itself does not have, which is
   * then copied up, and for directories that the layer has no member for, which keep their owner, mode and attributes.
   */
  readonly lower?: (path: string) => number | undefined;
  /** Names the archive in errors, e.g. its file. */
  readonly what?: string;
  /** A directory stays one, and nothing else becomes one: `cp` does not replace a tree by a file. */
  readonly keepKinds?: boolean;
  /** What is mounted in the folder is unpacked into, instead of being refused. */
  readonly mounts?: boolean;
}

/** Takes down what an archive consists of besides the files that are unpacked from it. */
export interface SplitSink {
  raw(bytes: Uint8Array): void;
  /** Here stood the content of a file, now at `path` (relative, beneath the folder): its parts, in the archive's order. */
  content(path: string, extents: readonly { readonly offset: number; readonly length: number }[]): void;
  /** The content that stood here is not on disk (a later member has replaced the file): the archive cannot be rebuilt. */
  lost(): void;
}

export interface Unpacked {
  /** Bytes in regular files, a hard link counted once. What was in a directory that a later member replaced is counted, too. */
  readonly size: number;
  readonly entries: number;
}

/** @param folder - descriptor of a directory; the caller closes it. @throws TsDockError `bad-archive`, `breakout`. */
export async function unpack(
  sys: Kernel,
  folder: number,
  tar: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<Unpacked> {
  const unpacking = new Unpacking(sys.sparing(), folder, options);
  try {
    const reader = new TarReader(unpacking, options.budgets, options.what);
    for await (const bytes of tar) reader.push(bytes);
    reader.end();
    return unpacking.end();
  } finally {
    unpacking.abandon();
  }
}

/** Marks of overlayfs are ts-dock's to make: from an archive they could show files of other layers, or of anywhere (redirect). */
const OVERLAY_MARKS = 'trusted.overlay.';
const LARGEST_ID = 0xffff_fffe;
const PERMISSIONS = 0o7777;
const COPY_BYTES = 1024 * 1024;
/** See Folders: a name that is exchanged all the time. */
const MOST_TRIES = 16;
const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC;

/** Where a member belongs. */
interface Spot {
  readonly at: Folder;
  readonly name: string;
  readonly path: string;
}

/** A file whose content is coming. */
interface Writing {
  readonly fd: number;
  readonly extents: readonly Extent[];
  /** Of `extents`, and bytes within it. */
  part: number;
  within: number;
}

class Unpacking implements TarHandler {
  private readonly sys: Kernel;
  private readonly options: UnpackOptions;
  private readonly budgets: Budgets;
  private readonly folders: Folders;
  private entry: TarEntry | undefined;
  private writing: Writing | undefined;
  private whiteouts = false;
  private size = 0;
  private written = 0;
  private entries = 0;
  /** Members, and directories that have none. */
  private names = 0;

  constructor(sys: Kernel, folder: number, options: UnpackOptions) {
    this.sys = sys;
    this.options = options;
    this.budgets = options.budgets;
    this.folders = new Folders(
      sys,
      folder,
      (rule) => this.refusal(rule),
      (made) => this.impliedFolder(made),
      options.manner === 'layer',
      options.mounts === true ? BENEATH_MOUNTS : BENEATH,
    );
  }

  end(): Unpacked {
    if (this.whiteouts) this.folders.dropNeedlessWhiteouts();
    this.folders.end();
    return { size: this.size, entries: this.entries };
  }

  abandon(): void {
    this.folders.abandon();
    if (this.writing !== undefined) this.sys.close(this.writing.fd);
    this.writing = undefined;
  }

  // --- what the reader says -----------------------------------------------------------------------------------------

  raw(bytes: Uint8Array): void {
    this.options.split?.raw(bytes);
  }

  member(given: TarEntry): void {
    this.entry = given;
    this.entries += 1;
    this.countName();
    const entry = this.options.rewrite === undefined ? given : this.options.rewrite(given);
    if (entry === null) this.leaveOut(given);
    else this.put(entry);
  }

  private put(entry: TarEntry): void {
    this.entry = entry;
    this.folders.release();
    const parts = this.parts(entry.name, 'name');
    this.check(entry);
    if (parts.length === 0) this.top(entry);
    else if (this.options.manner === 'plain' || !this.mark(entry, parts)) this.place(entry, parts);
  }

  content(bytes: Uint8Array): void {
    this.written += bytes.length;
    if (this.written > this.budgets.bytes)
      throw this.bad(`its files have more than ${this.budgets.bytes.toString()} bytes together`);
    const { writing } = this;
    if (writing === undefined) return;
    for (let done = 0; done < bytes.length;) {
      const extent = writing.extents[writing.part];
      if (extent === undefined) throw this.bad('it has more content than its header says');
      const length = Math.min(extent.length - writing.within, bytes.length - done);
      if (length > 0)
        this.sys.pwrite(writing.fd, bytes.subarray(done, done + length), extent.offset + writing.within);
      done += length;
      writing.within += length;
      if (writing.within === extent.length) {
        writing.part += 1;
        writing.within = 0;
      }
    }
  }

  memberEnd(): void {
    const { writing, entry } = this;
    if (writing === undefined || entry === undefined) return;
    this.writing = undefined;
    try {
      if (entry.extents !== undefined) this.sys.ftruncate(writing.fd, entry.size);
      this.adorn(writing.fd, entry);
      this.sys.futimens(writing.fd, entry.mtime);
    } finally {
      this.sys.close(writing.fd);
    }
    this.size += entry.size;
  }

  // --- rules --------------------------------------------------------------------------------------------------------

  private refusal({ reason, rule }: Rule): TsDockError {
    const { what } = this.options;
    const name = `${quoted(this.entry?.name ?? '')}${what === undefined ? '' : ` of ${what}`}`;
    return new TsDockError(reason, `cannot unpack ${name}: ${rule}`, {
      means:
        reason === 'breakout'
          ? 'The archive was made, or has been changed, so that it would write outside of its folder; nothing there was touched.'
          : 'An archive that breaks a rule is refused as a whole.',
      remedy: 'Take it from somewhere else, or ask who made it.',
    });
  }

  private bad(rule: string): TsDockError {
    return this.refusal({ reason: 'bad-archive', rule });
  }

  private countName(): void {
    this.names += 1;
    if (this.names > this.budgets.entries)
      throw this.bad(`it has more than ${this.budgets.entries.toString()} members and folders`);
  }

  private parts(name: string, what: string): readonly string[] {
    const parts = partsOf(name, what, this.budgets, this.options.manner === 'layer');
    if ('rule' in parts) throw this.refusal(parts);
    return parts;
  }

  private check(entry: TarEntry): void {
    const owned = [entry.uid, entry.gid].every((id) => Number.isInteger(id) && id >= 0 && id <= LARGEST_ID);
    if (!owned) throw this.bad('its owner is none that there can be');
    if (entry.size > this.budgets.fileSize)
      throw this.bad(`it is larger than ${this.budgets.fileSize.toString()} bytes`);
    if (entry.type === 'symlink' && (entry.linkname === '' || entry.linkname.includes('\0')))
      throw this.bad('it is a link to nothing');
    // For overlayfs this device is a whiteout: an image hides files by `.wh.` names alone, which are checked.
    if (entry.type === 'character' && entry.major === 0 && entry.minor === 0)
      throw this.bad('it is the device 0:0, which is overlayfs’s own mark for a removed file');
  }

  /** Its content, if it has any, is nowhere on disk. */
  private leaveOut(entry: TarEntry): void {
    if (entry.type === 'file' && contentOf(entry).length > 0) this.options.split?.lost();
  }

  // --- marks of layers ----------------------------------------------------------------------------------------------

  /** True: the member is a mark, and dealt with. Marks speak of the layers below alone, wherever in the archive they stand. */
  private mark(entry: TarEntry, parts: readonly string[]): boolean {
    const mark = markOf(parts);
    if (mark.is === 'none') return false;
    if (mark.is === 'refused') throw this.refusal(mark);
    this.leaveOut(entry);
    if (mark.is === 'meta') return true;
    if (entry.type === 'directory') throw this.bad('a whiteout cannot be a directory');
    const folder = parts.slice(0, -1);
    const at = this.folders.reach(folder);
    if (mark.is === 'whiteout') this.whiteOut(at, mark.of, [...folder, mark.of]);
    else this.folders.setOpaque(at);
    return true;
  }

  private whiteOut(at: Folder, name: string, parts: readonly string[]): void {
    if (this.hidesNothing(parts.join('/'))) return;
    this.whiteouts = true;
    try {
      this.sys.mknodat(at.fd, name, S.IFCHR, 0, 0);
      at.touched = true;
    } catch (error) {
      if (!refusedWith(error, 'EEXIST')) throw error;
      // This layer has such a name itself, which hides the others' already; a directory does so when it is opaque.
      const stat = this.sys.fstatatIfThere(at.fd, name);
      if (stat !== undefined && (stat.mode & S.IFMT) === S.IFDIR)
        this.folders.setOpaque(this.folders.reach(parts));
    }
  }

  /** Where no layer below has the folder, overlayfs would show a whiteout's name in it, with nothing behind. */
  private hidesNothing(path: string): boolean {
    const { lower } = this.options;
    if (lower === undefined) return false;
    const fd = lower(path);
    if (fd !== undefined) this.sys.close(fd);
    return fd === undefined;
  }

  // --- kinds --------------------------------------------------------------------------------------------------------

  private top(entry: TarEntry): void {
    if (entry.type !== 'directory') throw this.bad('only a directory can stand for the top of the archive');
    const top = this.folders.reach([]);
    this.adorn(top.fd, entry);
    this.folders.setTime(top, entry.mtime);
  }

  private place(entry: TarEntry, parts: readonly string[]): void {
    const spot: Spot = {
      at: this.folders.reach(parts.slice(0, -1)),
      name: parts.at(-1) ?? '',
      path: parts.join('/'),
    };
    const { at, name } = spot;
    if (entry.type === 'directory') this.directory(spot, entry, parts);
    else if (entry.type === 'file') this.file(spot, entry);
    else if (entry.type === 'hardlink') this.hardlink(spot, entry);
    else {
      if (entry.type === 'symlink') this.make(spot, () => this.sys.symlinkat(entry.linkname, at.fd, name));
      else {
        const kind = { character: S.IFCHR, block: S.IFBLK, fifo: S.IFIFO }[entry.type];
        this.make(spot, () => this.sys.mknodat(at.fd, name, kind | 0o600, entry.major, entry.minor));
      }
      this.adornName(spot, entry);
    }
  }

  private directory(spot: Spot, entry: TarEntry, parts: readonly string[]): void {
    const there = this.sys.fstatatIfThere(spot.at.fd, spot.name);
    let folder: Folder;
    if (there === undefined || (there.mode & S.IFMT) !== S.IFDIR) {
      if (there !== undefined) this.remove(spot, there);
      folder = this.folders.makeIn(spot.at, spot.name, spot.path) ?? this.folders.reach(parts);
      // Whatever this layer had of the name hides what the layers below have of it, for good.
      if (there !== undefined && this.options.manner === 'layer') this.folders.setOpaque(folder);
    } else folder = this.folders.reach(parts);
    this.adorn(folder.fd, entry);
    this.folders.setTime(folder, entry.mtime);
  }

  private file(spot: Spot, entry: TarEntry): void {
    const extents = contentOf(entry);
    // A file may be mounted there: then its name is taken, and stays so.
    const resolve = this.options.mounts === true ? BENEATH_MOUNTS : BENEATH;
    const fd = this.make(spot, () => this.sys.openat2(spot.at.fd, spot.name, NEW_FILE, 0o600, resolve));
    this.writing = { fd, extents, part: 0, within: 0 };
    if (extents.length > 0) this.options.split?.content(spot.path, extents);
  }

  private hardlink(spot: Spot, entry: TarEntry): void {
    const parts = this.parts(entry.linkname, 'target');
    const path = parts.join('/');
    if (path === '') throw this.bad('it is a hard link to the top of the archive');
    if (path === spot.path) throw this.bad('it is a hard link to itself');
    const name = parts.at(-1) ?? '';
    this.needTarget(parts);
    this.make(spot, () => {
      // Again at each try: what was there of the new name may have been a directory, and the target in it.
      const from = this.folders.find(parts.slice(0, -1));
      if (from === undefined || this.sys.fstatatIfThere(from.fd, name) === undefined)
        throw this.bad(`its target ${quoted(path)} is removed by the link itself`);
      this.sys.linkat(from.fd, name, spot.at.fd, spot.name);
    });
  }

  /** The target of a hard link is in this layer then: it was, or it comes up from a layer below. */
  private needTarget(parts: readonly string[]): void {
    const folders = parts.slice(0, -1);
    const [name = '', path] = [parts.at(-1), parts.join('/')];
    const at = this.folders.find(folders);
    const stat = at === undefined ? undefined : this.sys.fstatatIfThere(at.fd, name);
    if (stat !== undefined) {
      if ((stat.mode & S.IFMT) === S.IFDIR) throw this.bad('it is a hard link to a directory');
      // A second name for a whiteout would be a whiteout that no `.wh.` name asked for.
      if (isWhiteout(stat)) throw this.bad(`its target ${quoted(path)} is removed by the archive itself`);
      return;
    }
    const lower = this.options.lower?.(path);
    if (lower === undefined) throw this.bad(`its target ${quoted(path)} is not there`);
    try {
      this.copyUp(lower, { at: this.folders.reach(folders), name, path });
    } finally {
      this.sys.close(lower);
    }
  }

  // --- names --------------------------------------------------------------------------------------------------------

  /** Makes what has to be new at a name; what is there of it goes. */
  private make<T>(spot: Spot, act: () => T): T {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      try {
        const made = act();
        spot.at.touched = true;
        return made;
      } catch (error) {
        if (refusedWith(error, 'ENAMETOOLONG')) throw this.bad('it is a link to a name that is too long');
        if (!refusedWith(error, 'EEXIST')) throw error;
      }
      const there = this.sys.fstatatIfThere(spot.at.fd, spot.name);
      if (there !== undefined) this.remove(spot, there);
    }
    throw this.refusal({ reason: 'breakout', rule: 'somebody else keeps taking its name' });
  }

  private remove(spot: Spot, there: Stat): void {
    const kind = there.mode & S.IFMT;
    const isFolder = kind === S.IFDIR;
    if (this.options.keepKinds === true && isFolder !== (this.entry?.type === 'directory'))
      throw this.bad(isFolder ? 'there is a directory of its name' : 'there is something else of its name');
    if (this.options.mounts === true) this.refuseMount(spot);
    if (isFolder) {
      this.folders.forget(spot.path);
      this.options.split?.lost();
      this.sys.removeTree(spot.at.fd, spot.name);
    } else {
      if (kind === S.IFREG && there.size > 0) this.options.split?.lost();
      if (kind === S.IFREG && there.nlink === 1) this.size -= Math.min(this.size, there.size);
      this.sys.unlinkat(spot.at.fd, spot.name);
    }
    spot.at.touched = true;
  }

  /**
   * The kernel keeps a name on which something is mounted, but in another mount namespace than the caller's it takes the
   * mount away instead: a container would lose its volume.
   */
  private refuseMount({ at, name }: Spot): void {
    try {
      this.sys.close(this.sys.openat2(at.fd, name, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0, BENEATH));
    } catch (error) {
      if (refusedWith(error, 'EXDEV')) throw this.bad('something is mounted there');
      if (!refusedWith(error, 'ENOENT')) throw error;
    }
  }

  // --- owner, mode, attributes, times ---------------------------------------------------------------------------------

  /** The owner first: a change of it takes setuid bits and capabilities away. */
  private adorn(fd: number, entry: TarEntry): void {
    this.sys.fchownat(fd, '', entry.uid, entry.gid, AT.EMPTY_PATH);
    this.sys.fchmod(fd, entry.mode & PERMISSIONS);
    this.attributes(entry, (name, value) => this.sys.fsetxattr(fd, name, value));
  }

  private adornName({ at, name }: Spot, entry: TarEntry): void {
    this.sys.fchownat(at.fd, name, entry.uid, entry.gid, AT.SYMLINK_NOFOLLOW);
    if (entry.type !== 'symlink') this.sys.fchmodat(at.fd, name, entry.mode & PERMISSIONS);
    this.attributes(entry, (attribute, value) => this.sys.setxattrat(at.fd, name, attribute, value));
    this.sys.utimensat(at.fd, name, entry.mtime);
  }

  private attributes(entry: TarEntry, set: (name: string, value: Uint8Array) => void): void {
    for (const [name, value] of entry.xattrs) {
      if (name.startsWith(OVERLAY_MARKS)) continue;
      try {
        set(name, value);
      } catch (error) {
        // Not every file system has every kind, and user attributes are for files and directories: EPERM on all else.
        if (refusedWith(error, 'EOPNOTSUPP')) continue;
        if (refusedWith(error, 'EPERM') && name.startsWith('user.')) continue;
        if (refusedWith(error, 'EINVAL', 'ERANGE', 'E2BIG'))
          throw this.bad(`its attribute ${quoted(name)} is none that there can be`);
        throw error;
      }
    }
  }

  // --- layers below ---------------------------------------------------------------------------------------------------

  /** A directory without a member of its own: 0755 root, or as the layers below have it, whose attributes it would hide. */
  private impliedFolder(made: Folder): void {
    this.countName();
    const lower = this.options.lower?.(made.path);
    if (lower === undefined) return;
    try {
      const stat = this.sys.fstat(lower);
      if ((stat.mode & S.IFMT) !== S.IFDIR) return;
      this.adorn(made.fd, this.entryOf(lower, stat, made.path));
      this.folders.setTime(made, stat.mtime);
    } finally {
      this.sys.close(lower);
    }
  }

  private entryOf(fd: number, stat: Stat, name: string): TarEntry {
    const kind = stat.mode & S.IFMT;
    const readable = kind === S.IFREG || kind === S.IFDIR;
    const xattrs = new Map<string, Uint8Array>();
    for (const attribute of readable ? this.sys.flistxattr(fd) : []) {
      const value = this.sys.fgetxattr(fd, attribute);
      if (value !== undefined) xattrs.set(attribute, value);
    }
    const { uid, gid, size, mtime, rdevMajor: major, rdevMinor: minor } = stat;
    const rest = { uid, gid, size, mtime, major, minor, xattrs, linkname: '' };
    return { name, type: 'file', mode: stat.mode & PERMISSIONS, ...rest };
  }

  /** A file of the layers below becomes one of this layer, so that the new name and the old one are one file. */
  private copyUp(lower: number, spot: Spot): void {
    const stat = this.sys.fstat(lower);
    const kind = stat.mode & S.IFMT;
    if (kind === S.IFDIR) throw this.bad('it is a hard link to a directory');
    this.countName();
    const entry = this.entryOf(lower, stat, spot.path);
    if (kind === S.IFREG) this.copyFile(lower, spot, entry);
    else {
      const { at, name } = spot;
      if (kind === S.IFLNK) {
        const target = this.sys.readlinkat(lower, '');
        this.make(spot, () => this.sys.symlinkat(target, at.fd, name));
        this.adornName(spot, { ...entry, type: 'symlink' });
      } else {
        this.make(spot, () => this.sys.mknodat(at.fd, name, kind | 0o600, stat.rdevMajor, stat.rdevMinor));
        this.adornName(spot, entry);
      }
    }
  }

  private copyFile(lower: number, spot: Spot, entry: TarEntry): void {
    const fd = this.make(spot, () => this.sys.openat2(spot.at.fd, spot.name, NEW_FILE, 0o600, BENEATH));
    try {
      for (let at = this.sys.seekData(lower, 0); at >= 0; at = this.sys.seekData(lower, at)) {
        const end = this.sys.seekHole(lower, at);
        while (at < end) {
          const bytes = this.sys.readAt(lower, Math.min(COPY_BYTES, end - at), at);
          if (bytes.length === 0) break;
          this.written += bytes.length;
          if (this.written > this.budgets.bytes)
            throw this.bad(`its files have more than ${this.budgets.bytes.toString()} bytes together`);
          this.sys.pwrite(fd, bytes, at);
          at += bytes.length;
        }
        if (at < end) break;
      }
      this.sys.ftruncate(fd, entry.size);
      this.adorn(fd, entry);
      this.sys.futimens(fd, entry.mtime);
    } finally {
      this.sys.close(fd);
    }
    this.size += entry.size;
  }
}

function contentOf(entry: TarEntry): readonly Extent[] {
  if (entry.extents !== undefined) return entry.extents.filter(({ length }) => length > 0);
  return entry.size === 0 ? [] : [{ offset: 0, length: entry.size }];
}
