import { findContainer } from '../../daemon/containers.ts';
import { subjectOf } from '../../daemon/events.ts';
import { holdProcess } from '../../daemon/processes.ts';
import { stopSignalOf } from '../../daemon/signals.ts';
import { supervisedBy } from '../../daemon/supervision.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const getContainer = step({
  id: 'stop.get-container',
  title: 'Find the container and hold its process',
  actor: 'daemon',
  then: { symbol: 'ContainerStop, Daemon.Get', file: 'daemon/stop.go' },
  now: { where: 'moby daemon/stop.go ContainerStop' },
  needs: ['wanted'],
  gives: ['target'],
  observe: ['files', 'process'],
  run({ wanted }, { sys, place, note }) {
    const { container } = findContainer(sys, place, wanted);
    const { ID: id, Config } = container;
    const { phase, run } = supervisedBy(sys, place, container);
    if (phase === 'starting')
      throw new TsDockError('not-running', `cannot stop ${wanted}: it is being started`, {
        means: 'Its program does not run yet, so there is nothing to send a signal to.',
        remedy: 'Try again when it runs, or end the ts-dock that starts it.',
      });
    const held = run === '' ? undefined : holdProcess(sys, place, id);
    if (run === '') note('It does not run: there is nothing to stop.');
    else if (held === undefined)
      note('It has no process at this moment: it has just ended, or is being restarted.');
    const { pid, startTime, pidfd } = held ?? { pid: 0, startTime: '', pidfd: -1 };
    return {
      target: { ...subjectOf(container), run, pid, startTime, pidfd, signal: stopSignalOf(Config) },
    };
  },
});
