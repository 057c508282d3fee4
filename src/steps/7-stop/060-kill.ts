import { recordEvent } from '../../daemon/events.ts';
import { holdProcess, signalProcess } from '../../daemon/processes.ts';
import { SIGKILL } from '../../daemon/signals.ts';
import { step } from '../../engine/step.ts';

export const kill = step({
  id: 'stop.kill',
  title: 'Kill what did not obey',
  actor: 'daemon',
  then: { symbol: 'Container.Kill', file: 'daemon/container.go' },
  now: { where: 'moby daemon/kill.go containerKill; cgroup.kill' },
  needs: ['target', 'obeyed'],
  gives: ['killed'],
  observe: ['process'],
  run({ target, obeyed }, { sys, place, note }) {
    if (obeyed && target.pidfd >= 0) {
      note('There is nothing to kill.');
      return { killed: { notes: { signal: 'none' } } };
    }
    // It had no process when we looked: a restart may have given it one since.
    const late = target.pidfd < 0 && target.run !== '' ? holdProcess(sys, place, target.id) : undefined;
    const pidfd = late?.pidfd ?? target.pidfd;
    const sent = pidfd >= 0 && signalProcess(sys, pidfd, SIGKILL);
    if (late !== undefined) sys.close(late.pidfd);
    if (sent) recordEvent(place, 'kill', target, { signal: 'SIGKILL' });
    return { killed: { notes: { signal: sent ? 'SIGKILL' : 'none' } } };
  },
});
