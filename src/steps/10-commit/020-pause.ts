import { pauseContainer } from '../../daemon/pause.ts';
import { step } from '../../engine/step.ts';

export const pause = step({
  id: 'commit.pause',
  title: 'Let its processes stand still',
  actor: 'daemon',
  then: { symbol: 'container.Pause', file: 'daemon/commit.go' },
  now: { where: 'moby daemon/commit.go CreateImageFromContainer (containerPause)' },
  needs: ['commitSource'],
  gives: ['paused'],
  observe: ['cgroups', 'files'],
  plan: ({ commitSource: { id, pausing } }) => ({
    drawn: undefined,
    undo: pausing ? [{ lifetime: 'transient', kind: 'thaw', container: id }] : [],
  }),
  async run({ commitSource: { id, pausing } }, { sys, place }) {
    if (pausing) await pauseContainer(sys, place, id);
    return { paused: { notes: { pausing } } };
  },
});
