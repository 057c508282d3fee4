/**
 * Reading what may be gone, may be endless, or may be a trap. Nothing here throws: a process can end between two reads,
 * and what a container can write to is read as a hostile tree, through descriptors and never by following a link.
 */
import * as fs from 'node:fs';
import { binding, type Refused } from '../kernel/binding.ts';
import { O, RESOLVE } from '../kernel/flags.ts';

/** No file is read beyond this. */
export const MOST_BYTES = 64 * 1024;
/** No folder is listed beyond this. */
export const MOST_NAMES = 200;

/** The first 64 KiB of a file of /proc or of a cgroup; undefined where there is none. */
export function readKernelFile(path: string): string | undefined {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      return readStart(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** All of mountinfo: with many mounts it is longer than the cap, and half a table would show mounts as gone. */
export function readMountinfo(pid: number | 'self'): string {
  try {
    return fs.readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
  } catch {
    return '';
  }
}

export function readLink(path: string): string | undefined {
  try {
    return fs.readlinkSync(path);
  } catch {
    return undefined;
  }
}

export function readNames(path: string): string[] {
  try {
    return fs.readdirSync(path);
  } catch {
    return [];
  }
}

export function isFolder(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function readStart(fd: number): string {
  const buffer = Buffer.allocUnsafe(MOST_BYTES);
  let length = 0;
  while (length < MOST_BYTES) {
    const got = fs.readSync(fd, buffer, length, MOST_BYTES - length, null);
    if (got === 0) break;
    length += got;
  }
  return buffer.toString('utf8', 0, length);
}

export type Found =
  | { readonly is: 'file'; readonly text: string; readonly mode: number }
  | { readonly is: 'folder'; readonly names: readonly string[] }
  | { readonly is: 'link'; readonly target: string }
  /** Too big, or nothing that may be opened: `what` says it in words. */
  | { readonly is: 'other'; readonly what: string };

const S_IFMT = 0o170000;
const KINDS: Readonly<Record<number, string>> = {
  0o10000: 'a FIFO',
  0o20000: 'a character device',
  0o60000: 'a block device',
  0o140000: 'a socket',
};

/** A folder beneath which everything is opened, whatever links lie there. */
export class Beneath {
  private readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Calls `look` with the folder open; undefined where there is no such folder. */
  static with<T>(root: string, look: (beneath: Beneath) => T): T | undefined {
    let fd: number;
    try {
      fd = fs.openSync(root, O.PATH | O.DIRECTORY | O.CLOEXEC);
    } catch {
      return undefined;
    }
    try {
      return look(new Beneath(fd));
    } finally {
      fs.closeSync(fd);
    }
  }

  /**
   * What lies at `path`. It is first opened with O_PATH, which touches nothing: opening a FIFO would wake who waits at its
   * other end, opening a device may do anything. Only then is the very same inode opened for reading.
   */
  at(path: string): Found | undefined {
    const native = binding();
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
    const handle = native.openat2(this.fd, path, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0, resolve);
    if (typeof handle !== 'number') return undefined;
    try {
      const stat = native.fstat(handle);
      return refused(stat) ? undefined : this.read(handle, stat.mode, stat.size);
    } catch {
      return undefined;
    } finally {
      native.close(handle);
    }
  }

  private read(handle: number, mode: number, size: number): Found {
    const kind = mode & S_IFMT;
    if (kind === 0o120000) return { is: 'link', target: readEmptyLink(handle) };
    if (kind === 0o40000)
      return { is: 'folder', names: readNames(`/proc/self/fd/${handle}`).sort().slice(0, MOST_NAMES) };
    if (kind !== 0o100000) return { is: 'other', what: KINDS[kind] ?? 'unknown' };
    if (size > MOST_BYTES) return { is: 'other', what: `${size} bytes, too many to be shown` };
    return { is: 'file', text: readKernelFile(`/proc/self/fd/${handle}`) ?? '', mode: mode & 0o7777 };
  }
}

/** readlinkat(2) with an empty path reads the link that an O_PATH descriptor stands for. */
function readEmptyLink(handle: number): string {
  const target = binding().readlinkat(handle, '');
  return typeof target === 'string' ? target : '';
}

function refused(value: object): value is Refused {
  return 'errno' in value;
}
