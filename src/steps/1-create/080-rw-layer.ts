import { join } from 'node:path';
import { diffOf, layerFolder } from '../../daemon/layers.ts';
import { beneath, makeDir } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const rwLayer = step({
  id: 'create.rw-layer',
  title: 'Make the read-write layer',
  actor: 'daemon',
  then: { symbol: 'driver.Create', file: 'daemon/daemon.go:552' },
  now: { where: 'containerd plugins/snapshots/overlay Prepare' },
  needs: ['identity', 'initLayer'],
  gives: ['rwLayer'],
  observe: ['store'],
  plan: ({ identity: { id } }, { place }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'with-container', kind: 'remove-tree', path: beneath(place, layerFolder(place, id)) }],
  }),
  run({ identity: { id } }, { sys, place }) {
    sys.mkdir(layerFolder(place, id), 0o700);
    const layer = diffOf(place, id);
    makeDir(sys, layer, 0o755);
    // overlayfs prepares files here and renames them into the layer: it has to be on the same filesystem.
    sys.mkdir(join(layerFolder(place, id), 'work'), 0o700);
    return { rwLayer: layer };
  },
});
