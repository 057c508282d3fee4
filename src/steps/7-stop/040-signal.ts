import { recordEvent } from '../../daemon/events.ts';
import { signalProcess } from '../../daemon/processes.ts';
import { signalName } from '../../daemon/signals.ts';
import { step } from '../../engine/step.ts';

export const signal = step({
  id: 'stop.signal',
  title: 'Ask the program to end',
  actor: 'daemon',
  then: { symbol: 'Container.KillSig', file: 'daemon/container.go' },
  now: { where: 'moby daemon/stop.go containerStop (StopSignal); containerd task.Kill' },
  needs: ['target', 'stopRequested', 'thawed', 'patience'],
  gives: ['asked'],
  observe: ['process'],
  run({ target, patience }, { sys, place, note }) {
    const name = signalName(target.signal);
    // Without patience there is no time to ask in.
    const sent = target.pidfd >= 0 && patience !== 0 && signalProcess(sys, target.pidfd, target.signal);
    if (sent) {
      recordEvent(place, 'kill', target, { signal: name });
      note(`${name} goes to process 1 alone. The kernel drops it if the program has no handler for it.`);
    }
    return { asked: { notes: { signal: sent ? name : 'none' } } };
  },
});
