import { lookupImage as lookup } from '../../daemon/tags.ts';
import { step } from '../../engine/step.ts';

export const lookupImage = step({
  id: 'create.lookup-image',
  title: 'Look the image up in the TagStore',
  actor: 'daemon',
  then: { symbol: 'TagStore.LookupImage', file: 'graph/tags.go:79' },
  now: { where: 'moby daemon/containerd/image.go GetImage', cve: ['CVE-2014-9358'] },
  needs: ['request'],
  gives: ['image'],
  observe: ['store'],
  run({ request }, { sys, place }) {
    return { image: lookup(sys, place, request.image) };
  },
});
