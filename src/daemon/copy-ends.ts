/**
 * Where a copy begins and where it goes, by Docker's rules, as descriptors: of what is found, never its path. Both sides are
 * the same but for how a path is opened: on the host as the caller would, in a container beneath its root.
 */
import { isKernels } from '../archive/kernel-file-systems.ts';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Stat } from '../kernel/binding.ts';
import { INSIDE } from './copy-root.ts';
import { typeOf } from './overlay-marks.ts';

export interface Side {
  readonly sys: Kernel;
  /** Opens as openat2(2) does; links on the way are followed within the side. */
  open(path: string, flags: number): number;
  /** A path as the user wrote it, for errors. */
  named(path: string): string;
}

export const hostSide = (sys: Kernel): Side => ({
  sys,
  open: (path, flags) => sys.openat2(AT_FDCWD, path, flags | O.CLOEXEC, 0, 0),
  named: (path) => path,
});

/** @param root - descriptor of the container's root */
export const containerSide = (sys: Kernel, root: number, container: string): Side => ({
  sys,
  open: (path, flags) => sys.openat2(root, path, flags | O.CLOEXEC, 0, INSIDE),
  named: (path) => `${container}:${path}`,
});

export interface Source {
  /** To be read, of a folder; of anything else opened with O_PATH. The caller closes it. */
  readonly fd: number;
  readonly stat: Stat;
  readonly isFolder: boolean;
  /** Empty: not the folder is copied but what lies in it. */
  readonly name: string;
}

export interface Target {
  /** Of the folder that is unpacked into. The caller closes it. */
  readonly fd: number;
  /** What the source is called there; undefined: as it is called. */
  readonly name: string | undefined;
}

/** Ends in `/` or `/.`: it must be a folder. */
const assertsFolder = (path: string): boolean => /\/\.?$/.test(path);
/** Ends in `/.`, or is the root: what lies in it. */
const isContent = (path: string): boolean => path === '/' || path.endsWith('/.');
const plain = (path: string): string => path.replace(/(.)\/\.?$/, '$1');
const baseOf = (path: string): string => plain(path).slice(plain(path).lastIndexOf('/') + 1);

/** @param follow - a link at the end is followed (`-L`), and keeps its name */
export function openSource(side: Side, path: string, follow: boolean): Source {
  const { sys } = side;
  const must = assertsFolder(path);
  const where = side.named(path);
  const fd = opened(side, plain(path), O.PATH | (follow || must ? 0 : O.NOFOLLOW), `cannot copy ${where}`);
  try {
    const stat = sys.fstat(fd);
    const isFolder = typeOf(stat) === 'directory';
    if (must && !isFolder) throw misfit(`cannot copy ${where}: it is not a directory`);
    if (typeOf(stat) === 'socket')
      throw misfit(`cannot copy ${where}: it is a socket`, 'Whoever listens there does so only there.');
    const name = isContent(path) ? '' : baseOf(path);
    if (!isFolder) return { fd, stat, isFolder, name };
    if (isKernels(sys.fstatfs(fd)))
      throw misfit(
        `cannot copy ${where}: the kernel makes its files up as they are read`,
        'A single one can be copied.',
      );
    const folder = reopened(sys, fd);
    sys.close(fd);
    return { fd: folder, stat, isFolder, name };
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** A folder that an archive is unpacked into. */
export function openFolder(side: Side, path: string): Target {
  const fd = opened(side, plain(path), O.PATH, `cannot copy to ${side.named(path)}`);
  try {
    if (typeOf(side.sys.fstat(fd)) !== 'directory')
      throw misfit(
        `cannot copy to ${side.named(path)}: it is not a directory`,
        'An archive from standard input is unpacked into a directory.',
      );
    return { fd: reopened(side.sys, fd), name: undefined };
  } finally {
    side.sys.close(fd);
  }
}

const MOST_LINKS = 40;

/**
 * Docker's table (docker cp, "Extended description"): a folder that is there is copied into; what is not there gets the
 * last name of the path, in a folder that must be there; a file does not become a folder, nor a folder a file.
 */
export function openTarget(side: Side, path: string, source: Source): Target {
  const { sys } = side;
  const where = side.named(path);
  const cannot = `cannot copy to ${where}`;
  let at = plain(path);
  for (let links = 0; links <= MOST_LINKS; links += 1) {
    const cut = at.lastIndexOf('/');
    // As it stands, without taking `..` away: in front of it may be a link.
    const folder = cut <= 0 ? '/' : at.slice(0, cut);
    const name = at.slice(cut + 1);
    if (name === '' || name === '.' || name === '..') return intoFolder(side, at, cannot);
    const parent = opened(side, folder, O.PATH | O.DIRECTORY, cannot, `the directory ${folder} is not there`);
    try {
      const found = lookAt(sys, parent, name);
      if (found !== undefined && typeOf(found) === 'symlink') {
        const to = sys.readlinkat(parent, name);
        at = to.startsWith('/') ? to : `${folder}/${to}`;
        continue;
      }
      if (found !== undefined && typeOf(found) === 'directory') return intoFolder(side, at, cannot);
      if (found !== undefined && (source.isFolder || source.name === ''))
        throw misfit(`${cannot}: a directory cannot become a file`, 'There is a file of that name already.');
      if (assertsFolder(path) && (found !== undefined || !source.isFolder))
        throw misfit(
          found === undefined ? `${cannot}: no such directory` : `${cannot}: it is not a directory`,
          'A path that ends in / is a directory that must be there.',
        );
      return { fd: reopened(sys, parent), name };
    } finally {
      sys.close(parent);
    }
  }
  throw misfit(`${cannot}: there are too many symbolic links`);
}

function intoFolder(side: Side, path: string, cannot: string): Target {
  const fd = opened(side, path, O.PATH | O.DIRECTORY, cannot);
  try {
    return { fd: reopened(side.sys, fd), name: undefined };
  } finally {
    side.sys.close(fd);
  }
}

const reopened = (sys: Kernel, folder: number): number =>
  sys.openat2(folder, '.', O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0);

/** A name in a folder, itself, also where it is a link. */
export function lookAt(sys: Kernel, folder: number, name: string): Stat | undefined {
  let fd: number;
  try {
    fd = sys.openat2(folder, name, O.PATH | O.NOFOLLOW | O.CLOEXEC);
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) return undefined;
    throw error;
  }
  try {
    return sys.fstat(fd);
  } finally {
    sys.close(fd);
  }
}

function opened(side: Side, path: string, flags: number, cannot: string, absent?: string): number {
  try {
    return side.open(path, flags);
  } catch (error) {
    if (refusedWith(error, 'ENOENT'))
      throw new TsDockError(
        'missing-source',
        `${cannot}: ${absent ?? 'there is no such file or directory'}`,
        {
          cause: error,
        },
      );
    if (refusedWith(error, 'ENOTDIR')) throw misfit(`${cannot}: a part of the path is not a directory`);
    if (refusedWith(error, 'ELOOP'))
      throw new TsDockError(
        'breakout',
        `${cannot}: the path goes through links in a circle, or through one of /proc`,
        {
          means: 'Links of /proc lead to other processes’ files, and out of the container.',
          cause: error,
        },
      );
    throw error;
  }
}

export function misfit(message: string, means = ''): TsDockError {
  return new TsDockError('copy', message, { means });
}
