import { chainIds } from '../../daemon/image-config.ts';
import { tooDeep } from '../../daemon/images.ts';
import { hasLayer } from '../../daemon/layer-store.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { begun } from '../../registry/download.ts';
import { labelOf, type PlannedLayer } from '../../registry/pull.ts';

export const planLayers = step({
  id: 'pull.plan-layers',
  title: 'See which layers are lacking',
  actor: 'daemon',
  then: { symbol: 'Graph.Exists', file: 'graph/pull.go pullImage' },
  now: { where: 'moby daemon/internal/distribution/xfer/download.go LayerDownloadManager.Download' },
  needs: ['pullRequest', 'imageName', 'remoteManifest', 'remoteConfig', 'claims'],
  gives: ['layerPlan'],
  observe: ['store'],
  run({ pullRequest, imageName, remoteManifest, remoteConfig }, { sys, place, note }) {
    const { layers } = remoteManifest.manifest;
    if (tooDeep(layers.length))
      throw new TsDockError(
        'too-many-layers',
        `cannot pull ${imageName.shown}: it has ${layers.length} layers`,
        {
          means: 'A container could not be made from it: 124 are the most.',
          remedy: 'Have it made with fewer.',
        },
      );
    const { diffIds } = remoteConfig.config;
    const chains = chainIds(diffIds);
    const layerPlan = layers.map((blob, index): PlannedLayer => {
      const chainId = chains[index] ?? '';
      const diffId = diffIds[index] ?? '';
      if (hasLayer(sys, place, chainId)) return { blob, diffId, chainId, state: 'there', have: 0 };
      const have = begun(sys, place.downloads, blob);
      const state = have === undefined ? 'fetched' : have > 0 ? 'begun' : 'wanted';
      return { blob, diffId, chainId, state, have: have ?? blob.size };
    });
    for (const layer of layerPlan)
      pullRequest.say(
        `${labelOf(layer)}: ${layer.state === 'there' ? 'Already exists' : 'Pulling fs layer'}`,
      );
    const left = layerPlan.reduce(
      (sum, { blob, state, have }) => sum + (state === 'there' ? 0 : blob.size - have),
      0,
    );
    note(`${left} bytes are to be fetched.`);
    return { layerPlan };
  },
});
