/**
 * What the layers below one show at a path, for an archive whose hard link joins a file that lies further down, or that
 * leaves a folder out. Walked from the layers' descriptors, without following a link; the nearest layer wins, and its
 * whiteouts, opaque folders, and whatever else stands in the way hide what is below them.
 */
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O, RESOLVE, S } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { diffOf } from './layers.ts';
import type { Place } from './place.ts';

const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS;

type Look = 'nothing' | 'hidden' | number;

/** @param folders - the layers' names beneath `overlay`, the lowest first */
export class LowerFiles {
  private readonly sys: Kernel;
  private readonly place: Place;
  private readonly folders: readonly string[];

  constructor(sys: Kernel, place: Place, folders: readonly string[]) {
    this.sys = sys;
    this.place = place;
    this.folders = folders;
  }

  /** A descriptor that the caller closes, to read from if it is a file or a folder, else O_PATH; undefined where nothing is to be seen. */
  open(path: string): number | undefined {
    for (const folder of [...this.folders].reverse()) {
      const top = this.sys.openat2(
        AT_FDCWD,
        diffOf(this.place, folder),
        O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC,
        0,
        0,
      );
      try {
        const look = this.look(top, path);
        if (look === 'hidden') return undefined;
        if (look !== 'nothing') return look;
      } finally {
        this.sys.close(top);
      }
    }
    return undefined;
  }

  private look(top: number, path: string): Look {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const parent = this.parent(top, parts.slice(0, depth).join('/'));
      if (parent === 'nothing') return 'nothing';
      if (parent === 'no folder') return 'hidden';
      if (parent === 'opaque') {
        const found = this.found(top, parts.join('/'));
        return found === 'nothing' ? 'hidden' : found;
      }
    }
    return this.found(top, parts.join('/'));
  }

  private parent(top: number, path: string): 'nothing' | 'no folder' | 'opaque' | 'folder' {
    const fd = this.openIfThere(top, path, O.RDONLY | O.DIRECTORY);
    if (typeof fd !== 'number') return fd === 'nothing' ? 'nothing' : 'no folder';
    try {
      return this.sys.fgetxattr(fd, 'trusted.overlay.opaque')?.toString() === 'y' ? 'opaque' : 'folder';
    } finally {
      this.sys.close(fd);
    }
  }

  private found(top: number, path: string): Look {
    const seen = this.openIfThere(top, path, O.PATH);
    if (typeof seen !== 'number') return seen;
    const { mode, rdevMajor, rdevMinor } = this.sys.fstat(seen);
    const kind = mode & S.IFMT;
    if (kind !== S.IFREG && kind !== S.IFDIR && !(kind === S.IFCHR && rdevMajor === 0 && rdevMinor === 0))
      return seen;
    this.sys.close(seen);
    // A whiteout.
    if (kind === S.IFCHR) return 'hidden';
    return this.openIfThere(top, path, O.RDONLY | O.NONBLOCK);
  }

  private openIfThere(top: number, path: string, flags: number): number | 'nothing' | 'hidden' {
    try {
      return this.sys.openat2(top, path, flags | O.NOFOLLOW | O.CLOEXEC, 0, BENEATH);
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) return 'nothing';
      if (refusedWith(error, 'ENOTDIR', 'ELOOP', 'EXDEV')) return 'hidden';
      throw error;
    }
  }
}
