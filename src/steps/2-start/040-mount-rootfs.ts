import { mountLayers, mountSource, mountUndo } from '../../daemon/layer-mount.ts';
import { step } from '../../engine/step.ts';
import { MS } from '../../kernel/flags.ts';

export const mountRootfs = step({
  id: 'start.mount-rootfs',
  title: 'Mount the layers as one root filesystem',
  actor: 'daemon',
  then: { symbol: 'Daemon.Mount, driver.Get', file: 'daemon/daemon.go:907' },
  now: { where: 'moby daemon/daemon_unix.go Mount; containerd snapshots/overlay' },
  needs: ['subject'],
  gives: ['rootfs'],
  observe: ['mounts'],
  plan: ({ subject: { container } }, { place }) => ({
    drawn: mountSource(container.ID),
    undo: mountUndo(place, container.ID),
  }),
  run({ subject: { container, hostConfig } }, { sys, place, note }) {
    // Device nodes of an image are only names: the container's own /dev is another mount.
    const { rootfs, layers } = mountLayers(sys, place, container, MS.NODEV, hostConfig.AutoRemove);
    note(`${layers.toString()} image layers, the init layer and the read-write layer, seen as one.`);
    return { rootfs };
  },
});
