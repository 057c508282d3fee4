import { join } from 'node:path';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const writeContainerJson = step({
  id: 'start.write-container-json',
  title: 'Write container.json',
  actor: 'daemon',
  then: { symbol: 'writeContainerFile', file: 'daemon/execdriver/native/driver.go:221' },
  now: { where: 'config.json of an OCI bundle (bundle.md)' },
  needs: ['initConfig', 'subject'],
  gives: ['bundle'],
  observe: ['files', 'store'],
  plan: ({ subject }, { place }) => ({
    drawn: { bundle: join(place.execdriver, subject.container.ID) },
    undo: [
      {
        lifetime: 'transient',
        kind: 'remove-tree',
        path: beneath(place, join(place.execdriver, subject.container.ID)),
      },
    ],
  }),
  run({ initConfig }, { sys, drawn: { bundle } }) {
    sys.mkdir(bundle, 0o700);
    // The environment stands in it: nobody but root may read it. Docker's 0655 relied on the folders above.
    sys.writeFile(join(bundle, 'container.json'), JSON.stringify(initConfig), 0o600);
    return { bundle };
  },
});
