/** Names of errno values and what each means in a sentence a learner can read. Numbers are Linux's, the same on x64 and arm64. */
import { constants } from 'node:os';

/** Two errno values have two names each; these are the ones that the man pages and strace use. */
const SECOND_NAMES = ['EWOULDBLOCK', 'ENOTSUP', 'EDEADLOCK'];

let names: Map<number, string> | undefined;

function nameOf(errno: number): string | undefined {
  names ??= new Map(
    Object.entries(constants.errno)
      .filter(([name]) => !SECOND_NAMES.includes(name))
      .map(([name, number]) => [number, name]),
  );
  return names.get(errno);
}

/** `EPERM` for 1; `E#n` for a number that this Node does not know. */
export function errnoName(errno: number): string {
  return nameOf(errno) ?? `E#${errno.toString()}`;
}

/** The positive number of a name such as `ENOENT`. */
export function errnoNumber(name: string): number {
  return (constants.errno as Record<string, number>)[name] ?? 0;
}

const MEANING: Readonly<Record<string, string>> = {
  EPERM: 'the kernel does not permit it: a capability is missing',
  ENOENT: 'there is no such file or directory',
  ESRCH: 'there is no such process',
  EINTR: 'a signal interrupted it',
  EIO: 'the device reported an error',
  ENOEXEC: 'the file is no program that this kernel can run',
  EBADF: 'the descriptor is not open',
  EAGAIN: 'it is not ready now, or a limit on processes or locks is reached',
  ENOMEM: 'there is not enough memory, or the memory limit is too low',
  EACCES: 'the permission bits do not allow it',
  EBUSY: 'something still uses it',
  EEXIST: 'it exists already',
  EXDEV: 'the path leads into another mount',
  ENODEV: 'the kernel has no such device or filesystem',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EINVAL: 'the kernel does not accept these arguments',
  ENFILE: 'the system has no descriptors left',
  EMFILE: 'this process has no descriptors left',
  EFBIG: 'the file would be too big',
  ENOSPC: 'there is no space left',
  EROFS: 'the filesystem is read-only',
  EPIPE: 'the other end is closed',
  ENAMETOOLONG: 'the name is too long',
  ENOSYS: 'this kernel does not have the call',
  ENOTEMPTY: 'the directory is not empty',
  ELOOP: 'there are too many symbolic links, or one where none may be',
  EOPNOTSUPP: 'it is not supported here',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'the address is not available',
  ENETUNREACH: 'there is no route to it',
  ECONNRESET: 'the other end broke the connection',
  ETIMEDOUT: 'it took too long',
  EOVERFLOW: 'the value is too large',
  ETXTBSY: 'the program is being executed or written',
  E2BIG: 'arguments and environment are too long together',
};

/** One clause on what an errno means; empty for one without an entry. */
export function errnoMeaning(name: string): string {
  return MEANING[name] ?? '';
}
