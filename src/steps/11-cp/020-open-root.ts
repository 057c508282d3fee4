import { mountedRoot, rootOfLayers, rootOfProcess } from '../../daemon/copy-root.ts';
import { mountUndo } from '../../daemon/layer-mount.ts';
import { step } from '../../engine/step.ts';

export const openRoot = step({
  id: 'cp.open-root',
  title: 'Open its root',
  actor: 'daemon',
  then: { symbol: 'container.Mount, getResourcePath', file: 'daemon/container.go' },
  now: {
    where: 'moby daemon/containerfs_linux.go openContainerFS',
    cve: ['CVE-2018-15664', 'CVE-2026-41568'],
  },
  needs: ['copyTarget', 'copyRequest'],
  gives: ['copyRoot'],
  observe: ['mounts'],
  // Its own run has a running container's layers mounted, and takes them down.
  plan: ({ copyTarget: { id, pid } }, { place }) => ({
    drawn: undefined,
    undo: pid === 0 ? mountUndo(place, id) : [],
  }),
  run({ copyTarget, copyRequest: { what, direction } }, { sys, place }) {
    const { id, name, pid, startTime, pidfd, stored } = copyTarget;
    const volumes = what === 'path';
    if (pid === 0)
      return { copyRoot: mountedRoot(sys, place, stored, { writing: direction === 'in', volumes }) };
    const held = { pid, startTime, pidfd };
    return {
      copyRoot: volumes ? rootOfProcess(sys, held, name) : rootOfLayers(sys, place, id, name),
    };
  },
});
