import { nameIn } from '../../daemon/reference.ts';
import { readTags, tagImage } from '../../daemon/tags.ts';
import { step } from '../../engine/step.ts';

export const tag = step({
  id: 'pull.tag',
  title: 'Give the image its name',
  actor: 'daemon',
  then: { symbol: 'TagStore.Set', file: 'graph/tags.go' },
  now: { where: 'moby reference/store.go store.addReference' },
  needs: ['imageName', 'remoteManifest', 'pulledImage'],
  gives: ['pulled'],
  observe: ['store'],
  plan({ imageName, pulledImage }, { sys, place }) {
    const { repository, key } = nameIn(imageName);
    const old = readTags(sys, place).get(repository)?.get(key) ?? '';
    const ours = pulledImage.id;
    const restore = {
      lifetime: 'unless-finished',
      kind: 'restore-tag',
      repository,
      tag: key,
      ours,
      old,
    } as const;
    return { drawn: { repository, key, old }, undo: old === ours ? [] : [restore] };
  },
  run({ imageName, remoteManifest, pulledImage }, { sys, place, drawn }) {
    const { repository, key, old } = drawn;
    tagImage(sys, place, { repository, key }, pulledImage.id);
    const { shown } = imageName;
    return {
      pulled: {
        id: pulledImage.id,
        name: shown,
        digest: remoteManifest.digest,
        newer: old !== pulledImage.id,
      },
    };
  },
});
