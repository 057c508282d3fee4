import { chainIds } from '../../daemon/image-config.ts';
import { tooDeep } from '../../daemon/images.ts';
import { hasLayer } from '../../daemon/layer-store.ts';
import { shortId } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import type { CheckedImage } from '../../flows/values.ts';
import { sha256 } from '../../kernel/hash.ts';

export const checkImages = step({
  id: 'load.check-images',
  title: 'Work out the ids of images and layers',
  actor: 'daemon',
  then: { symbol: 'utils.ValidateID (since 1.3.3)', file: 'graph/load.go' },
  now: { where: 'moby image/store.go Create; identity.ChainIDs', cve: ['CVE-2014-9358', 'CVE-2014-8178'] },
  needs: ['archive', 'imageSet'],
  gives: ['checkedImages'],
  observe: [],
  run({ archive, imageSet }, { sys, place, note, warn }) {
    const { file } = archive.members;
    const checked = new Map<string, CheckedImage>();
    for (const { configBytes, config, layers, names } of imageSet.images) {
      const id = sha256().update(configBytes).digest('hex');
      const chains = chainIds(config.diffIds);
      if (tooDeep(layers.length))
        warn(`${shortId(id)} has ${layers.length} layers: it can be kept and saved, but not run.`);
      checked.set(id, {
        id,
        configBytes,
        // Two names for one image are one image with two names.
        names: [...(checked.get(id)?.names ?? []), ...names],
        layers: layers.map(({ name, size, diffId, open }, i) => ({
          what: `${file}: ${name}`,
          chainId: chains[i] ?? '',
          diffId,
          size,
          open,
        })),
      });
    }
    const all = new Set([...checked.values()].flatMap(({ layers }) => layers.map(({ chainId }) => chainId)));
    const there = [...all].filter((chainId) => hasLayer(sys, place, chainId)).length;
    note(`${all.size === 1 ? 'One layer' : `${all.size} layers`}, of which the store has ${there}.`);
    return { checkedImages: [...checked.values()] };
  },
});
