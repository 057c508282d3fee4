import { join } from 'node:path';
import { commitConfig } from '../../daemon/commit.ts';
import { imageConfigText } from '../../daemon/image-config.ts';
import { describeLayers } from '../../daemon/layer-store.ts';
import { layersOf, registerImage as register } from '../../daemon/image-store.ts';
import { readImage } from '../../daemon/images.ts';
import { underLock } from '../../daemon/lock.ts';
import { step } from '../../engine/step.ts';
import { sha256 } from '../../kernel/hash.ts';

export const registerImage = step({
  id: 'commit.register-image',
  title: 'Put the image into the graph',
  actor: 'daemon',
  then: { symbol: 'runconfig.Merge, graph.Create', file: 'graph/graph.go' },
  now: { where: 'moby daemon/commit.go, image.NewChildImage' },
  needs: ['commitSource', 'commitRequest', 'layer'],
  gives: ['committed'],
  observe: ['store'],
  plan: () => ({ drawn: new Date().toISOString(), undo: [] }),
  async run({ commitSource: { container }, commitRequest, layer }, context) {
    const { sys, place, run, drawn: created, alsoUndo } = context;
    const config = await commitConfig(sys, place, { container, request: commitRequest, layer, created });
    const text = imageConfigText(config);
    const id = sha256().update(text).digest('hex');
    alsoUndo({ lifetime: 'unless-finished', kind: 'drop-image', id, layers: [layer.chainId] });
    const below = await describeLayers(
      sys,
      place,
      layersOf(sys, place, readImage(sys, place, container.Image)),
    );
    const scratch = join(place.work, run.id);
    underLock(sys, place, () => register(sys, place, text, [...below, layer], scratch));
    return { committed: { id } };
  },
});
