import { step } from '../../engine/step.ts';
import { fetchManifest } from '../../registry/fetch.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';
import { ownPlatform, platformText } from '../../registry/platform.ts';

export const manifest = step({
  id: 'pull.fetch-manifest',
  title: 'Fetch the list of what it is made of',
  actor: 'daemon',
  then: { symbol: 'Session.GetRemoteTags, GetRemoteHistory', file: 'graph/pull.go pullRepository' },
  now: {
    where: 'moby daemon/internal/distribution/pull_v2.go pullTag',
    cve: ['CVE-2021-41190', 'CVE-2023-25153'],
  },
  needs: ['pullRequest', 'imageName', 'registry', 'authenticated'],
  gives: ['remoteManifest'],
  observe: [],
  async run({ pullRequest, imageName, registry }, { interruption, note }) {
    const wanted = pullRequest.platform ?? ownPlatform();
    const remoteManifest = await unlessInterrupted(interruption, (signal) =>
      fetchManifest(registry, wanted, signal),
    );
    const { platform } = remoteManifest;
    if (platform !== undefined) note(`Of several it is the one for ${platformText(platform)}.`);
    pullRequest.say(`${imageName.wanted}: Pulling from ${imageName.path}`);
    return { remoteManifest };
  },
});
