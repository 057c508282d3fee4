/** What the daemon itself does inside a container's root: by descriptors beneath it, never by a path that is joined to it. */
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** Links in the image are followed as the container would follow them: `/` is the root filesystem, `..` ends there. */
const INSIDE = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;
const MOST_PARTS = 128;

/** Makes `path` and its parents, 0755 and root's, beneath `rootfs`. What is there and is no directory is an error. */
export function ensureDirInRoot(sys: Kernel, rootfs: string, path: string): void {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length > MOST_PARTS) throw notADirectory(path, 'it is too deep');
  const root = sys.openat2(AT_FDCWD, rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    for (let depth = 1; depth <= parts.length; depth += 1)
      enterOrMake(sys, root, parts.slice(0, depth), path);
  } finally {
    sys.close(root);
  }
}

function enterOrMake(sys: Kernel, root: number, parts: readonly string[], wanted: string): void {
  if (isDirectory(sys, root, parts.join('/'), wanted)) return;
  const name = parts.at(-1) ?? '';
  if (name === '..') throw notADirectory(wanted, 'it leads through a directory that is not there');
  const parent = sys.openat2(
    root,
    `./${parts.slice(0, -1).join('/')}`,
    O.RDONLY | O.DIRECTORY | O.CLOEXEC,
    0,
    INSIDE,
  );
  try {
    sys.mkdirat(parent, name, 0o755);
    const made = sys.openat2(
      parent,
      name,
      O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC,
      0,
      RESOLVE.BENEATH,
    );
    sys.fchmod(made, 0o755);
    sys.close(made);
  } catch (error) {
    // A link to what is not there: to make its target would be to write where the image points.
    if (refusedWith(error, 'EEXIST'))
      throw notADirectory(wanted, `${parts.join('/')} is a link to what is not there`);
    throw error;
  } finally {
    sys.close(parent);
  }
}

function isDirectory(sys: Kernel, root: number, path: string, wanted: string): boolean {
  try {
    sys.close(sys.openat2(root, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, INSIDE));
    return true;
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return false;
    if (refusedWith(error, 'ENOTDIR')) throw notADirectory(wanted, `${path} is not a directory`);
    if (refusedWith(error, 'ELOOP')) throw notADirectory(wanted, `${path} has links in a circle`);
    throw error;
  }
}

function notADirectory(path: string, why: string): TsDockError {
  return new TsDockError('bad-config', `Cannot mkdir: ${path} is not a directory: ${why}`, {
    means: 'The working directory must be a directory of the image, or one that can be made there.',
  });
}
