import { commandOf, mergeConfig as merge } from '../../daemon/merge.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const mergeConfig = step({
  id: 'create.merge-config',
  title: "Merge the user's and the image's config",
  actor: 'daemon',
  then: { symbol: 'runconfig.Merge', file: 'runconfig/merge.go:10' },
  now: { where: 'moby daemon/commit.go merge', cve: ['CVE-2014-6408'] },
  needs: ['resourcesChecked', 'image'],
  gives: ['mergedConfig'],
  observe: [],
  run({ resourcesChecked, image }) {
    const mergedConfig = merge(resourcesChecked.config, image.config);
    if (commandOf(mergedConfig).length === 0) {
      throw new TsDockError(
        'no-command',
        'cannot create a container that runs nothing: No command specified',
        {
          means: 'Neither the command line nor the image says what to run.',
          remedy: 'Write the command behind the name of the image.',
        },
      );
    }
    return { mergedConfig };
  },
});
