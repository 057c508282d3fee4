import { step } from '../../engine/step.ts';
import { imageName } from '../../registry/name.ts';

export const resolveName = step({
  id: 'pull.resolve-name',
  title: 'Take the name apart',
  actor: 'daemon',
  then: { symbol: 'registry.ResolveRepositoryName', file: 'graph/pull.go CmdPull' },
  now: { where: 'distribution/reference normalize.go ParseNormalizedNamed' },
  needs: ['pullRequest'],
  gives: ['imageName'],
  observe: [],
  run({ pullRequest }) {
    const name = imageName(pullRequest.name);
    // Docker's two lines, of which the first tells that a word was added.
    if (name.digest === '' && !pullRequest.name.endsWith(`:${name.tag}`))
      pullRequest.say(`Using default tag: ${name.tag}`);
    return { imageName: name };
  },
});
