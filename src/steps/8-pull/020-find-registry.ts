import { step } from '../../engine/step.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';
import { Registry } from '../../registry/registry.ts';

export const findRegistry = step({
  id: 'pull.find-registry',
  title: 'Find the registry, by TLS if it can be',
  actor: 'daemon',
  then: {
    symbol: 'registry.ExpandAndVerifyRegistryUrl, pingRegistryEndpoint',
    file: 'graph/pull.go CmdPull',
  },
  now: { where: 'moby daemon/internal/distribution/registry.go PingV2Registry', cve: ['CVE-2014-5277'] },
  needs: ['pullRequest', 'imageName'],
  gives: ['registry', 'registryFound'],
  observe: [],
  async run({ pullRequest, imageName }, { sys, interruption, note }) {
    const registry = new Registry(sys, pullRequest.settings, imageName, 'pull');
    const found = await unlessInterrupted(interruption, (signal) => registry.find(signal));
    if (found.url.startsWith('http:'))
      note('It is spoken to in the clear: it was named so, or is this machine.');
    return { registry, registryFound: found };
  },
});
