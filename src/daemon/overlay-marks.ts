/** How overlayfs writes down in a layer what is gone: a device 0:0 for a name, an attribute for all that a folder hides. */
import type { Stat } from '../kernel/binding.ts';
import { S } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';

export const OPAQUE = 'trusted.overlay.opaque';

export type FileType =
  'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket' | 'unknown';

const TYPES: Readonly<Record<number, FileType>> = {
  [S.IFREG]: 'file',
  [S.IFDIR]: 'directory',
  [S.IFLNK]: 'symlink',
  [S.IFCHR]: 'character',
  [S.IFBLK]: 'block',
  [S.IFIFO]: 'fifo',
  [S.IFSOCK]: 'socket',
};

export const typeOf = ({ mode }: Pick<Stat, 'mode'>): FileType => TYPES[mode & S.IFMT] ?? 'unknown';

export const isWhiteout = (stat: Stat): boolean =>
  typeOf(stat) === 'character' && stat.rdevMajor === 0 && stat.rdevMinor === 0;

/** @param folder - descriptor of a directory; O_PATH does not do */
export const isOpaque = (sys: Kernel, folder: number): boolean =>
  sys.fgetxattr(folder, OPAQUE)?.toString() === 'y';
