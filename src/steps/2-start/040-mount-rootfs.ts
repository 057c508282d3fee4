import { ancestryOf, readImage } from '../../daemon/images.ts';
import { linkFolder, mountPoint, overlayOptions } from '../../daemon/layers.ts';
import { beneath, shortId } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import { AT_FDCWD, MS, O } from '../../kernel/flags.ts';

export const mountRootfs = step({
  id: 'start.mount-rootfs',
  title: 'Mount the layers as one root filesystem',
  actor: 'daemon',
  then: { symbol: 'Daemon.Mount, driver.Get', file: 'daemon/daemon.go:907' },
  now: { where: 'moby daemon/daemon_unix.go Mount; containerd snapshots/overlay' },
  needs: ['subject'],
  gives: ['rootfs'],
  observe: ['mounts'],
  plan({ subject }, { place }) {
    const id = subject.container.ID;
    const path = beneath(place, mountPoint(place, id));
    const source = `tsdock:${shortId(id)}`;
    // Undone backwards: first the mount, then the folder that it hid.
    return {
      drawn: source,
      undo: [
        { lifetime: 'transient', kind: 'remove-tree', path },
        { lifetime: 'transient', kind: 'unmount', path, fstype: 'overlay', source },
      ],
    };
  },
  run({ subject: { container, hostConfig } }, { sys, place, drawn: source, note }) {
    const ancestry = ancestryOf(sys, place, readImage(sys, place, container.Image));
    const rootfs = mountPoint(place, container.ID);
    sys.ensureDir(rootfs, 0o700);
    const links = sys.openat2(AT_FDCWD, linkFolder(place), O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
    try {
      // Device nodes of an image are only names: the container's own /dev is another mount.
      sys.mount(
        source,
        rootfs,
        'overlay',
        MS.NODEV,
        overlayOptions(sys, place, container.ID, ancestry, hostConfig.AutoRemove),
        links,
      );
    } finally {
      sys.close(links);
    }
    note(`${ancestry.length.toString()} image layers, the init layer and the read-write layer, seen as one.`);
    return { rootfs };
  },
});
