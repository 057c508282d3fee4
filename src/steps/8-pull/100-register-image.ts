import { join } from 'node:path';
import { registerImage as register } from '../../daemon/image-store.ts';
import { findLayer } from '../../daemon/layer-store.ts';
import { underLock } from '../../daemon/lock.ts';
import { step } from '../../engine/step.ts';
import { takenBack } from '../../registry/pull.ts';

export const registerImage = step({
  id: 'pull.register-image',
  title: 'Write the image down',
  actor: 'daemon',
  then: { symbol: 'Graph.Register', file: 'graph/graph.go' },
  now: { where: 'moby image/store.go store.Create', cve: ['CVE-2014-8178', 'CVE-2014-9358'] },
  needs: ['remoteConfig', 'pulledLayers'],
  gives: ['pulledImage'],
  observe: ['store'],
  run({ remoteConfig, pulledLayers }, { sys, place, run }) {
    const scratch = join(place.work, run.id);
    // Under the lock, as who takes back what a failed load had brought holds it too.
    return underLock(sys, place, () => {
      const gone = pulledLayers.find(({ chainId }) => findLayer(sys, place, chainId) === undefined);
      if (gone !== undefined) throw takenBack(gone.chainId);
      return {
        pulledImage: register(sys, place, remoteConfig.bytes.toString('utf8'), pulledLayers, scratch),
      };
    });
  },
});
