import { openRuns } from '../../engine/journal.ts';
import { recoverOne } from '../../engine/recovery.ts';
import { step } from '../../engine/step.ts';
import { Claims } from '../../registry/claims.ts';
import { hexOf, sweep } from '../../registry/download.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';

export const claimLayers = step({
  id: 'pull.claim-layers',
  title: 'Take turns with other pulls',
  actor: 'daemon',
  then: { symbol: 'TagStore.poolAdd', file: 'graph/pull.go pullImage' },
  now: { where: 'moby daemon/internal/distribution/xfer/transfer.go TransferManager' },
  needs: ['pullRequest', 'remoteManifest'],
  gives: ['claims'],
  observe: [],
  async run({ pullRequest, remoteManifest }, { sys, place, run, interruption, note, progress }) {
    sys.ensureDir(place.downloads, 0o700);
    const swept = sweep(sys, place.downloads, Date.now());
    if (swept.length > 0) note(`${swept.length} blobs of earlier pulls were older than a day, and are gone.`);
    const claims = new Claims(sys, place.downloads);
    // In one order, whatever the image's: else two pulls could each have what the other waits for.
    const wanted = [...new Set(remoteManifest.manifest.layers.map(({ digest }) => hexOf(digest)))].sort();
    try {
      await unlessInterrupted(interruption, async (signal) => {
        for (const hex of wanted)
          await claims.take(hex, signal, ({ pid }) => {
            progress([]);
            pullRequest.say(`${hex.slice(0, 12)}: Waiting for another pull (process ${pid})`);
          });
      });
    } catch (error) {
      claims.letAllGo();
      throw error;
    }
    // Whoever had them may have been killed. What it began goes now, and not when we stand on it.
    for (const other of openRuns(sys, place.journal))
      if (other !== run.id) await recoverOne(sys, place, other);
    return { claims };
  },
});
