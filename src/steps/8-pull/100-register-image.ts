import { join } from 'node:path';
import { registerImage as register } from '../../daemon/image-store.ts';
import { step } from '../../engine/step.ts';

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
    return {
      pulledImage: register(
        sys,
        place,
        remoteConfig.bytes.toString('utf8'),
        pulledLayers,
        join(place.work, run.id),
      ),
    };
  },
});
