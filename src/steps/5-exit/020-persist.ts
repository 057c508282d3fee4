import { wasOomKilled } from '../../daemon/cgroup-figures.ts';
import { changeContainer, noSuchContainer } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { exitCodeOf } from '../../daemon/exit-code.ts';
import { step } from '../../engine/step.ts';

export const persist = step({
  id: 'exit.persist',
  title: 'Record how it ended',
  actor: 'daemon',
  then: { symbol: 'toDisk', file: 'daemon/monitor.go:190' },
  now: { where: 'moby daemon/container CheckpointTo' },
  needs: ['ended', 'subject'],
  gives: ['recorded'],
  observe: ['files'],
  run({ ended, subject }, { sys, place }) {
    const { ID } = subject.container;
    const ExitCode = exitCodeOf(ended);
    // Now or never: the counter goes with the cgroup.
    const OOMKilled = wasOomKilled(sys, place.cgroupParent, ID);
    const container = changeContainer(sys, place, ID, (found) => ({
      ...found,
      State: {
        ...found.State,
        Running: false,
        Paused: false,
        Restarting: false,
        Pid: 0,
        ExitCode,
        FinishedAt: new Date().toISOString(),
        OOMKilled,
      },
    }));
    if (container === undefined) throw noSuchContainer(ID);
    if (OOMKilled) recordEvent(place, 'oom', subjectOf(container));
    recordEvent(place, 'die', subjectOf(container), { exitCode: ExitCode.toString() });
    return { recorded: container.State };
  },
});
