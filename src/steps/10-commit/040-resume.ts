import { letGoOn } from '../../daemon/pause.ts';
import { step } from '../../engine/step.ts';

export const resume = step({
  id: 'commit.resume',
  title: 'Let it go on',
  actor: 'daemon',
  then: { symbol: 'defer container.Unpause', file: 'daemon/commit.go' },
  now: { where: 'moby daemon/commit.go CreateImageFromContainer (containerUnpause)' },
  needs: ['commitSource', 'layer'],
  gives: ['resumed'],
  observe: ['cgroups', 'files'],
  run({ commitSource: { id, pausing } }, { sys, place, handOver }) {
    if (pausing) {
      letGoOn(sys, place, id);
      // Whoever pauses it from now on means it.
      handOver('thaw');
    }
    return { resumed: { notes: {} } };
  },
});
