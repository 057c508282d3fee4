import { step } from '../../engine/step.ts';
import { readImageSet } from '../../layouts/image-set.ts';

export const readManifest = step({
  id: 'load.read-manifest',
  title: 'Read which images are in it',
  actor: 'daemon',
  then: { symbol: 'TagStore.CmdLoad, recursiveLoad', file: 'graph/load.go' },
  now: {
    where: 'moby image/tarexport/load.go; image-spec image-layout.md',
    cve: ['CVE-2021-41190', 'CVE-2021-21285', 'CVE-2023-25153'],
  },
  needs: ['archive', 'budgets', 'platform'],
  gives: ['imageSet'],
  observe: [],
  async run({ archive, budgets, platform }, { note, warn, progress }) {
    const imageSet = await readImageSet(archive.members, {
      budgets,
      platform: platform ?? undefined,
      progress: (name, done, total) => {
        progress([{ label: name, done, total }]);
      },
    });
    note(
      `${WORDS[imageSet.form]}: ${imageSet.images.length} image${imageSet.images.length === 1 ? '' : 's'}.`,
    );
    for (const text of imageSet.notes) note(text);
    for (const text of imageSet.warnings) warn(text);
    return { imageSet };
  },
});

const WORDS = {
  docker: 'It has a manifest.json, as docker save has written since 1.10',
  'docker v1': 'It has a folder for each layer, as docker save wrote until 1.9',
  oci: 'It is an OCI image layout',
} as const;
