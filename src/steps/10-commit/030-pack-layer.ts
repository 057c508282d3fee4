import { join } from 'node:path';
import { commitLayer } from '../../daemon/commit.ts';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const packLayer = step({
  id: 'commit.pack-layer',
  title: 'Make a layer of what it has written',
  actor: 'daemon',
  then: { symbol: 'container.ExportRw, graph.Create', file: 'daemon/commit.go' },
  now: { where: 'moby daemon/containerd, image exporter; containerd rootfs.CreateDiff' },
  needs: ['commitSource', 'paused'],
  gives: ['layer'],
  observe: ['store'],
  plan: (_taken, { place, run }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'transient', kind: 'remove-tree', path: beneath(place, join(place.work, run.id)) }],
  }),
  async run({ commitSource: { container } }, { sys, place, run, alsoUndo, interruption, note }) {
    const scratch = join(place.work, run.id);
    const layer = await commitLayer(sys, place, container, scratch, interruption, (id) => {
      alsoUndo({ lifetime: 'unless-finished', kind: 'drop-image', id, layers: [id] });
    });
    note(`${layer.size.toString()} bytes in files, ${layer.diffId}`);
    return { layer };
  },
});
