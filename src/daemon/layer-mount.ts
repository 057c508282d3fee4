/** All layers of a container seen as one tree: the mount that a start makes, and that a copy makes while it does not run. */
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Compensation } from '../engine/compensation.ts';
import { ancestryOf, readImage } from './images.ts';
import { linkFolder, mountPoint, overlayOptions } from './layers.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';
import { beneath, shortId } from './store.ts';

/** What the kernel's mount table calls it. */
export const mountSource = (id: string): string => `tsdock:${shortId(id)}`;

/** Undone backwards: first the mount, then the folder that it hid. */
export function mountUndo(place: Place, id: string): Compensation[] {
  const path = beneath(place, mountPoint(place, id));
  return [
    { lifetime: 'transient', kind: 'remove-tree', path },
    { lifetime: 'transient', kind: 'unmount', path, fstype: 'overlay', source: mountSource(id) },
  ];
}

/**
 * @param flags - MS_* bits
 * @param passing - the container goes with its run, so its layer need not be synced
 */
export function mountLayers(
  sys: Kernel,
  place: Place,
  container: Container,
  flags: number,
  passing: boolean,
): { readonly rootfs: string; readonly layers: number } {
  const ancestry = ancestryOf(sys, place, readImage(sys, place, container.Image));
  const rootfs = mountPoint(place, container.ID);
  sys.ensureDir(rootfs, 0o700);
  const links = sys.openat2(AT_FDCWD, linkFolder(place), O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    const options = overlayOptions(sys, place, container.ID, ancestry, passing);
    sys.mount(mountSource(container.ID), rootfs, 'overlay', flags, options, links);
  } finally {
    sys.close(links);
  }
  return { rootfs, layers: ancestry.length };
}
