import { join } from 'node:path';
import { hasLayer } from '../../daemon/layer-store.ts';
import { shortId } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import { makeLayers } from '../../layouts/make-layers.ts';

export const unpackLayers = step({
  id: 'load.unpack-layers',
  title: 'Unpack the layers that are not there yet',
  actor: 'daemon',
  then: { symbol: 'Graph.Register, archive.ApplyLayer', file: 'graph/graph.go' },
  now: {
    where: 'moby layer/layer_store.go registerWithDescriptor',
    cve: ['CVE-2014-6407', 'CVE-2014-9356', 'CVE-2025-47290'],
  },
  needs: ['checkedImages', 'budgets'],
  gives: ['layersReady'],
  observe: ['store'],
  plan({ checkedImages }, { sys, place, run }) {
    const all = new Set(checkedImages.flatMap(({ layers }) => layers.map(({ chainId }) => chainId)));
    const lacking = [...all].filter((chainId) => !hasLayer(sys, place, chainId));
    return {
      drawn: { scratch: join(place.work, run.id), lacking },
      undo:
        lacking.length === 0
          ? []
          : [{ lifetime: 'unless-finished', kind: 'drop-image', id: '', layers: lacking }],
    };
  },
  async run({ checkedImages, budgets }, { sys, place, drawn, interruption, progress, note }) {
    const { made, there } = await makeLayers(sys, place, checkedImages, {
      scratch: drawn.scratch,
      budgets,
      interruption,
      progress,
    });
    for (const { chainId, size } of made) note(`${shortId(chainId)}: ${size} bytes in files.`);
    for (const chainId of there) note(`${shortId(chainId)} is there already: not unpacked again.`);
    return { layersReady: { notes: { unpacked: made.length, there: there.length } } };
  },
});
