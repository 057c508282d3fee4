/**
 * What a chain of layers has at a path, as overlayfs would show it: the topmost that has it, unless a whiteout, a file on the
 * way or an opaque folder of a layer above hides it. For {@link UnpackOptions.lower}.
 */
import { refusedWith } from '../kernel/calls.ts';
import { O, S } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { BENEATH, isWhiteout } from './folders.ts';

const PATH = O.PATH | O.NOFOLLOW | O.CLOEXEC;
const OPAQUE = 'trusted.overlay.opaque';

/**
 * @param layers - descriptors of the layers' folders, the topmost first; they stay the caller's.
 * @returns a descriptor that whoever asks closes: O_RDONLY of a file or directory, O_PATH of all else.
 */
export function lowerOf(sys: Kernel, layers: readonly number[]): (path: string) => number | undefined {
  return (path) => {
    for (const layer of layers) {
      const found = look(sys, layer, path.split('/'));
      if (found.fd !== undefined) return found.fd;
      if (found.hidden) return undefined;
    }
    return undefined;
  };
}

interface Found {
  readonly fd?: number;
  /** The layers below do not count. */
  readonly hidden: boolean;
}

function look(sys: Kernel, layer: number, parts: readonly string[]): Found {
  let at = layer;
  let hidden = false;
  try {
    for (const [n, part] of parts.entries()) {
      const stat = sys.fstatatIfThere(at, part);
      if (stat === undefined) return { hidden };
      if (isWhiteout(stat)) return { hidden: true };
      const isFolder = (stat.mode & S.IFMT) === S.IFDIR;
      if (n === parts.length - 1) return { fd: open(sys, at, part, stat.mode), hidden: true };
      if (!isFolder) return { hidden: true };
      hidden ||= sys.getxattrat(at, part, OPAQUE)?.toString() === 'y';
      const next = sys.openat2(at, part, PATH | O.DIRECTORY, 0, BENEATH);
      if (at !== layer) sys.close(at);
      at = next;
    }
    return { hidden };
  } catch (error) {
    // Removed since: by nobody who may, but it is then not there.
    if (refusedWith(error, 'ENOENT')) return { hidden };
    throw error;
  } finally {
    if (at !== layer) sys.close(at);
  }
}

function open(sys: Kernel, at: number, name: string, mode: number): number {
  const kind = mode & S.IFMT;
  if (kind === S.IFDIR)
    return sys.openat2(at, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0, BENEATH);
  return sys.openat2(at, name, kind === S.IFREG ? O.RDONLY | O.NOFOLLOW | O.CLOEXEC : PATH, 0, BENEATH);
}
