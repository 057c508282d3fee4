/**
 * An archive of one thing that is no folder, from a descriptor of it. Only a regular file is ever opened to be read, and by
 * that very descriptor: what a name leads to a moment later may be a device, or a fifo that nobody writes to.
 */
import type { Extent, TarEntry } from '../archive/entry.ts';
import { isKernels } from '../archive/kernel-file-systems.ts';
import { END, headerOf, padding } from '../archive/writer.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { misfit, type Source } from './copy-ends.ts';
import { typeOf } from './overlay-marks.ts';

const PART = 1024 * 1024;
/** Of a file of /proc or /sys, in bytes. */
const MOST_MADE = 16 * PART;

export function* leafTar(sys: Kernel, { fd, stat }: Source, name: string): Generator<Uint8Array> {
  const type = typeOf(stat);
  const { uid, gid, mtime, rdevMajor: major, rdevMinor: minor } = stat;
  const base = { name, mode: stat.mode & 0o7777, uid, gid, mtime, size: 0, linkname: '', major: 0, minor: 0 };
  const plain = { ...base, xattrs: new Map<string, Uint8Array>() };
  if (type === 'file') yield* fileTar(sys, fd, plain);
  else if (type === 'symlink') yield headerOf({ ...plain, type, linkname: sys.readlinkat(fd, '') });
  else if (type === 'character' || type === 'block') yield headerOf({ ...plain, type, major, minor });
  else if (type === 'fifo') yield headerOf({ ...plain, type });
  else throw misfit(`cannot copy ${JSON.stringify(name)}: an archive has no place for a ${type}`);
  yield END;
}

function* fileTar(sys: Kernel, found: number, plain: Omit<TarEntry, 'type'>): Generator<Uint8Array> {
  const own = `/proc/self/fd/${found.toString()}`;
  const fd = sys.openat2(AT_FDCWD, own, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0, 0);
  try {
    const { size: said, blocks } = sys.fstat(fd);
    const made = isKernels(sys.fstatfs(fd)) ? sys.readFd(fd, MOST_MADE) : undefined;
    const size = made?.length ?? said;
    const extents = made === undefined && blocks * 512 < size ? extentsOf(sys, fd, size) : undefined;
    const names = sys.flistxattr(fd).filter(isPortable).sort();
    const xattrs = new Map(names.map((key) => [key, sys.fgetxattr(fd, key) ?? new Uint8Array()] as const));
    yield headerOf({ ...plain, type: 'file', size, xattrs, ...(extents === undefined ? {} : { extents }) });
    let stored = made?.length ?? 0;
    if (made !== undefined) yield made;
    else
      for (const { offset, length } of extents ?? [{ offset: 0, length: size }]) {
        yield* contentOf(sys, fd, offset, length);
        stored += length;
      }
    yield padding(stored);
  } finally {
    sys.close(fd);
  }
}

/** As many bytes as the header says: a file that shrinks while it is read has zeroes at its end. */
function* contentOf(sys: Kernel, fd: number, offset: number, length: number): Generator<Uint8Array> {
  for (let done = 0; done < length;) {
    const bytes = sys.readAt(fd, Math.min(PART, length - done), offset + done);
    const part = bytes.length === 0 ? Buffer.alloc(Math.min(PART, length - done)) : bytes;
    yield part;
    done += part.length;
  }
}

/** As of a tree that is packed: what a security module of the host says of a file says nothing elsewhere. */
const isPortable = (name: string): boolean =>
  name === 'security.capability' || !/^(?:security|trusted\.overlay)\./.test(name);

function extentsOf(sys: Kernel, fd: number, size: number): Extent[] {
  const extents: Extent[] = [];
  for (let at = 0; at < size;) {
    const offset = sys.seekData(fd, at);
    if (offset < 0 || offset >= size) break;
    const end = Math.min(sys.seekHole(fd, offset), size);
    extents.push({ offset, length: end - offset });
    at = end;
  }
  return extents;
}
