/**
 * What the init layer holds (Docker 1.2.0: SetupInitLayer): places for what is mounted later, so that they are there, hide
 * what the image has at these paths, and show up in no diff. A layer of its own, empty before: nothing of the image is
 * walked through, so no link in it can lead elsewhere. 1.2.0 worked in the mounted image and unlinked what was in the way.
 */
import { AT_FDCWD, O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';

const DIRECTORIES = ['dev', 'dev/pts', 'dev/shm', 'etc', 'proc', 'sys'];
const FILES = ['.dockerinit', '.dockerenv', 'etc/resolv.conf', 'etc/hosts', 'etc/hostname', 'dev/console'];
const MTAB = 'etc/mtab';

/** What no diff and no commit shows. */
export const INIT_FILES: readonly string[] = [...FILES, MTAB];
/** Folders that something is mounted on. */
export const INIT_MOUNTS: readonly string[] = DIRECTORIES.filter((path) => path !== 'etc');

/** 1.2.0 went through a map, in another order each time; here the order is this one. */
export function fillInitLayer(sys: Kernel, layer: string): void {
  const fd = sys.openat2(AT_FDCWD, layer, O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0, 0);
  try {
    for (const path of DIRECTORIES)
      make(sys, fd, path, O.RDONLY | O.DIRECTORY, () => {
        sys.mkdirat(fd, path, 0o755);
      });
    for (const path of FILES) make(sys, fd, path, O.WRONLY | O.CREAT | O.EXCL, () => undefined);
    sys.symlinkat('/proc/mounts', fd, MTAB);
  } finally {
    sys.close(fd);
  }
}

/** 0755 whatever the umask is, as Docker's. */
function make(sys: Kernel, layer: number, path: string, flags: number, first: () => void): void {
  first();
  const fd = sys.openat2(
    layer,
    path,
    flags | O.NOFOLLOW | O.CLOEXEC,
    (flags & O.CREAT) === 0 ? 0 : 0o755,
    RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS,
  );
  try {
    sys.fchmod(fd, 0o755);
  } finally {
    sys.close(fd);
  }
}
