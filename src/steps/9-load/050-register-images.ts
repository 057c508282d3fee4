import { join } from 'node:path';
import { registerImage } from '../../daemon/image-store.ts';
import { findLayer, type Layer } from '../../daemon/layer-store.ts';
import { underLock } from '../../daemon/lock.ts';
import { shortId } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import type { CheckedImage } from '../../flows/values.ts';
import { makeLayers } from '../../layouts/make-layers.ts';

/** Runs that fail over and over, each taking back what we count on. */
const MOST_ATTEMPTS = 10;

export const registerImages = step({
  id: 'load.register-images',
  title: 'Write the images down',
  actor: 'daemon',
  then: { symbol: 'Graph.Register, image.StoreImage', file: 'graph/graph.go, image/image.go' },
  now: { where: 'moby image/store.go Create', cve: ['CVE-2014-6408', 'CVE-2014-9358'] },
  needs: ['checkedImages', 'layersReady', 'budgets'],
  gives: ['registeredImages'],
  observe: ['store'],
  plan({ checkedImages }, { sys, place, run }) {
    const fresh = checkedImages.filter(({ id }) => !sys.exists(join(place.graph, id, 'json')));
    return {
      drawn: { scratch: join(place.work, run.id) },
      undo: fresh.map(({ id, layers }) => ({
        lifetime: 'unless-finished',
        kind: 'drop-image',
        id,
        layers: layers.map(({ chainId }) => chainId),
      })),
    };
  },
  async run({ checkedImages, budgets }, { sys, place, drawn, interruption, progress, note }) {
    for (const image of checkedImages) {
      for (let attempt = 1; ; attempt += 1) {
        const whole = underLock(sys, place, () => {
          const layers = layersOf(image);
          if (layers === undefined && attempt < MOST_ATTEMPTS) return false;
          const text = Buffer.from(image.configBytes).toString('utf8');
          registerImage(sys, place, text, layers ?? [], drawn.scratch);
          return true;
        });
        if (whole) break;
        // Another run had brought a layer that we found there, has failed since, and took it back.
        await makeLayers(sys, place, [image], { scratch: drawn.scratch, budgets, interruption, progress });
      }
      note(`${shortId(image.id)} has ${image.layers.length} layer${image.layers.length === 1 ? '' : 's'}.`);
    }
    return { registeredImages: checkedImages.map(({ id, names }) => ({ id, names })) };

    function layersOf({ layers }: CheckedImage): Layer[] | undefined {
      const found = layers.map(({ chainId }) => findLayer(sys, place, chainId));
      return found.every((layer) => layer !== undefined) ? found : undefined;
    }
  },
});
