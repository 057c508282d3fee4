import { nameText } from '../../daemon/reference.ts';
import { shortId } from '../../daemon/store.ts';
import { readTags, tagImage } from '../../daemon/tags.ts';
import { step } from '../../engine/step.ts';

export const tag = step({
  id: 'load.tag',
  title: 'Give the images their names',
  actor: 'daemon',
  then: { symbol: 'TagStore.Set', file: 'graph/load.go, graph/tags.go' },
  now: { where: 'moby image/tarexport/load.go setLoadedTag' },
  needs: ['registeredImages'],
  gives: ['imagesTagged'],
  observe: ['store'],
  plan({ registeredImages }, { sys, place }) {
    const tags = readTags(sys, place);
    return {
      drawn: undefined,
      undo: registeredImages.flatMap(({ id, names }) =>
        names.flatMap(({ repository, key }) => {
          const old = tags.get(repository)?.get(key) ?? '';
          const restore = { kind: 'restore-tag', repository, tag: key, ours: id, old } as const;
          return old === id ? [] : [{ lifetime: 'unless-finished', ...restore } as const];
        }),
      ),
    };
  },
  run({ registeredImages }, { sys, place, warn, note }) {
    for (const { id, names } of registeredImages) {
      for (const name of names) {
        const before = tagImage(sys, place, name, id);
        if (before !== undefined) warn(`${nameText(name)} was ${shortId(before)} until now.`);
      }
      if (names.length === 0) note(`${shortId(id)} has no name.`);
    }
    return {
      imagesTagged: { notes: { names: registeredImages.flatMap(({ names }) => names.map(nameText)) } },
    };
  },
});
