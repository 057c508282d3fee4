import { requestStop } from '../../daemon/supervision.ts';
import { step } from '../../engine/step.ts';

export const request = step({
  id: 'stop.request',
  title: 'Write down that it is to stop',
  actor: 'daemon',
  then: { symbol: 'containerMonitor.ExitOnNext', file: 'daemon/monitor.go' },
  now: { where: 'moby daemon/stop.go, container.HasBeenManuallyStopped' },
  needs: ['target'],
  gives: ['stopRequested'],
  observe: ['files'],
  // Never taken back: who asked for the end and was killed on the way still wants it. The next start forgets it.
  run({ target }, { sys, place }) {
    // Also where nobody has it: a restart policy may be about to.
    requestStop(sys, place, target.id);
    return { stopRequested: { notes: {} } };
  },
});
