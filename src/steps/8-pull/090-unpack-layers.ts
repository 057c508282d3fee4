import { join } from 'node:path';
import { readImage } from '../../daemon/images.ts';
import { findLayer, makeLayer, type Layer } from '../../daemon/layer-store.ts';
import { beneath } from '../../daemon/store.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { blobOf, discard } from '../../registry/download.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';
import { rememberBlob } from '../../registry/known-blob.ts';
import { labelOf, LayerBars, takenBack } from '../../registry/pull.ts';

export const unpackLayers = step({
  id: 'pull.unpack-layers',
  title: 'Unpack and verify each layer',
  actor: 'daemon',
  then: { symbol: 'Graph.Register, image.StoreImage', file: 'graph/graph.go' },
  now: { where: 'moby layer/layer_store.go registerWithDescriptor', cve: ['CVE-2014-6407', 'CVE-2014-9357'] },
  needs: ['pullRequest', 'remoteConfig', 'layerPlan', 'layersFetched'],
  gives: ['pulledLayers'],
  observe: ['store'],
  plan({ remoteConfig, layerPlan }, { sys, place, run }) {
    const scratch = join(place.work, run.id);
    const lacking = layerPlan.filter(({ state }) => state !== 'there').map(({ chainId }) => chainId);
    const work = { lifetime: 'transient', kind: 'remove-tree', path: beneath(place, scratch) } as const;
    // An image that is there was not made by this run, and stays whatever becomes of it.
    const known = isThere(() => readImage(sys, place, remoteConfig.id));
    const image = {
      lifetime: 'unless-finished',
      kind: 'drop-image',
      id: remoteConfig.id,
      layers: lacking,
    } as const;
    return { drawn: { scratch }, undo: known ? [work] : [work, image] };
  },
  async run({ pullRequest, layerPlan }, { sys, place, drawn, interruption, progress }) {
    const { settings, say } = pullRequest;
    const bars = new LayerBars(layerPlan, progress, say, ({ state, blob }) =>
      state === 'there'
        ? { done: 0, total: 0, state: 'Already exists' }
        : { done: 0, total: blob.size, state: 'Waiting' },
    );
    // There are very many of them: the first thousand show how it is done.
    const sparing = sys.sparing();
    const made: Layer[] = [];
    for (const layer of layerPlan) {
      const { blob, chainId, diffId } = layer;
      const label = labelOf(layer);
      // Also one that this image has twice at the same height.
      const there = findLayer(sys, place, chainId);
      if (there !== undefined) {
        made.push(there);
        continue;
      }
      if (layer.state === 'there') throw takenBack(chainId);
      try {
        const source = (signal: AbortSignal): AsyncIterable<Uint8Array> =>
          blobOf(place.downloads, blob, signal, (done) => {
            bars.set(label, { done, total: blob.size });
          });
        made.push(
          await unlessInterrupted(interruption, (signal) =>
            makeLayer(sparing, place, {
              scratch: drawn.scratch,
              below: made.map(({ folder, chainId: chain }) => folder ?? chain),
              diffId,
              source: source(signal),
              budgets: settings.budgets,
              what: `layer ${label} of ${pullRequest.name}`,
            }),
          ),
        );
      } catch (error) {
        // It has the digest that the manifest says, or was torn by a power cut since. Once more, it is fetched anew.
        if (error instanceof TsDockError && error.reason === 'bad-archive')
          discard(sys, place.downloads, blob);
        throw error;
      }
      rememberBlob(sys, place, chainId, blob);
      bars.say(`${label}: Pull complete`);
      bars.set(label, { done: blob.size, total: blob.size, state: 'Pull complete' });
    }
    progress([]);
    return { pulledLayers: made };
  },
});

function isThere(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof TsDockError) return false;
    throw error;
  }
}
