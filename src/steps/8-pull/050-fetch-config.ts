import { parseImageConfig } from '../../daemon/image-config.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { hexOf } from '../../registry/download.ts';
import { fetchConfig } from '../../registry/fetch.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';
import { distance, ownPlatform, platformText } from '../../registry/platform.ts';

export const config = step({
  id: 'pull.fetch-config',
  title: 'Fetch what the image says of itself',
  actor: 'daemon',
  then: { symbol: 'Session.GetRemoteImageJSON', file: 'graph/pull.go pullImage' },
  now: { where: 'moby daemon/internal/distribution/pull_v2.go pullSchema2Config' },
  needs: ['pullRequest', 'imageName', 'registry', 'remoteManifest'],
  gives: ['remoteConfig'],
  observe: [],
  async run({ pullRequest, imageName, registry, remoteManifest }, { interruption, warn }) {
    const { config: blob, layers } = remoteManifest.manifest;
    const text = await unlessInterrupted(interruption, (signal) => fetchConfig(registry, blob, signal));
    const parsed = parseImageConfig(`the configuration of ${imageName.shown}`, text);
    if (parsed.diffIds.length !== layers.length)
      throw new TsDockError(
        'bad-image',
        `cannot use ${imageName.shown}: its manifest has ${layers.length} layers, its configuration ${parsed.diffIds.length}`,
        { means: 'The two do not belong together.' },
      );
    const is = { os: parsed.os, architecture: parsed.architecture, variant: parsed.variant ?? '' };
    const wanted = pullRequest.platform ?? ownPlatform();
    if (distance(wanted, is) === undefined) {
      const words = `${imageName.shown} is for ${platformText(is)}, and not for ${platformText(wanted)}`;
      if (pullRequest.platform !== undefined)
        throw new TsDockError('no-such-image', `cannot use ${words}`, {
          means: 'There is no other of this name.',
        });
      warn(`${words}: its programs may not run here`);
    }
    return { remoteConfig: { id: hexOf(blob.digest), bytes: Buffer.from(text), config: parsed } };
  },
});
