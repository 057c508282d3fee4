import { step } from '../../engine/step.ts';
import { download, hexOf } from '../../registry/download.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';
import { labelOf, LayerBars, type PlannedLayer } from '../../registry/pull.ts';
import { abreast } from '../../registry/abreast.ts';

export const fetchLayers = step({
  id: 'pull.fetch-layers',
  title: 'Fetch the layers, several at once',
  actor: 'daemon',
  then: { symbol: 'Session.GetRemoteImageLayer', file: 'graph/pull.go pullImage' },
  now: { where: 'moby daemon/internal/distribution/pull_v2.go layerDescriptor.Download' },
  needs: ['pullRequest', 'registry', 'authenticated', 'claims', 'layerPlan'],
  gives: ['layersFetched'],
  observe: [],
  async run({ pullRequest, registry, layerPlan }, { sys, place, interruption, progress }) {
    const bars = new LayerBars(layerPlan, progress, pullRequest.say, ({ state, blob, have }) =>
      state === 'there'
        ? { done: 0, total: 0, state: 'Already exists' }
        : { done: have, total: blob.size, ...(state === 'fetched' ? {} : { state: 'Waiting' }) },
    );
    // An image may have a layer twice: there is one blob for both.
    const lacking = new Map<string, PlannedLayer>();
    for (const layer of layerPlan) if (layer.state !== 'there') lacking.set(layer.blob.digest, layer);
    const fetched: Record<string, number> = {};
    await unlessInterrupted(interruption, (signal) =>
      abreast([...lacking.values()], pullRequest.settings.parallel, signal, async (layer, ours) => {
        const label = labelOf(layer);
        const { blob } = layer;
        await download(
          sys,
          registry,
          place.downloads,
          blob,
          (done) => {
            bars.set(label, { done, total: blob.size });
          },
          ours,
        );
        fetched[hexOf(blob.digest)] = blob.size - layer.have;
        bars.say(`${label}: Download complete`);
        bars.set(label, { done: blob.size, total: blob.size, state: 'Download complete' });
      }),
    );
    return { layersFetched: { notes: fetched } };
  },
});
