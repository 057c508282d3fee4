/**
 * The lock of a root, for changes to what its containers share. A POSIX record lock belongs to the process and falls when
 * *any* descriptor of the file is closed: never take it where it is held already, and hold it within one step only.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

export function underLock<T>(sys: Kernel, place: Place, act: () => T): T {
  const fd = sys.lock(place.lock, true);
  try {
    return act();
  } finally {
    if (fd !== undefined) sys.close(fd);
  }
}
