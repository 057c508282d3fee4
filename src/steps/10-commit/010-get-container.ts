import { findContainer } from '../../daemon/containers.ts';
import { subjectOf } from '../../daemon/events.ts';
import { supervisedBy } from '../../daemon/supervision.ts';
import { step } from '../../engine/step.ts';

export const getContainer = step({
  id: 'commit.get-container',
  title: 'Find the container whose files are meant',
  actor: 'daemon',
  then: { symbol: 'ContainerCommit, Daemon.Get', file: 'daemon/commit.go' },
  now: { where: 'moby daemon/commit.go CreateImageFromContainer' },
  needs: ['wanted', 'commitRequest'],
  gives: ['commitSource'],
  observe: ['files'],
  run({ wanted, commitRequest }, { sys, place, note }) {
    const { container } = findContainer(sys, place, wanted);
    const runs = supervisedBy(sys, place, container).phase === 'running' && !container.State.Restarting;
    // Whoever paused it himself finds it paused afterwards.
    const pausing = runs && commitRequest.pause && !container.State.Paused;
    if (!runs) note('It does not run: nobody changes its files.');
    else if (!pausing) note(container.State.Paused ? 'It is paused already.' : 'It goes on meanwhile.');
    return { commitSource: { ...subjectOf(container), container, pausing } };
  },
});
