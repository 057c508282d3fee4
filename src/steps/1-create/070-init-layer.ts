import { containerFolder } from '../../daemon/containers.ts';
import { fillInitLayer } from '../../daemon/init-layer.ts';
import { diffOf, initLayerOf, layerFolder } from '../../daemon/layers.ts';
import { beneath, makeDir } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const initLayer = step({
  id: 'create.init-layer',
  title: 'Make the init layer',
  actor: 'daemon',
  then: { symbol: 'createRootfs, SetupInitLayer', file: 'graph/graph.go:257' },
  now: { where: 'moby daemon/initlayer/setup_unix.go', cve: ['CVE-2014-9356', 'CVE-2026-41579'] },
  needs: ['identity', 'image', 'ancestry'],
  gives: ['initLayer'],
  observe: ['store'],
  plan({ identity: { id } }, { place }) {
    const remove = (path: string) =>
      ({ lifetime: 'with-container', kind: 'remove-tree', path: beneath(place, path) }) as const;
    return {
      drawn: undefined,
      undo: [remove(containerFolder(place, id)), remove(layerFolder(place, initLayerOf(id)))],
    };
  },
  run({ identity: { id } }, { sys, place }) {
    // A plain mkdir: it fails if the folder is there, so that of two who drew the same id only one goes on.
    sys.mkdir(containerFolder(place, id), 0o700);
    sys.mkdir(layerFolder(place, initLayerOf(id)), 0o700);
    const layer = diffOf(place, initLayerOf(id));
    makeDir(sys, layer, 0o755);
    fillInitLayer(sys, layer);
    return { initLayer: layer };
  },
});
