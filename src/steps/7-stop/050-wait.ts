import { alarm, endedBefore } from '../../daemon/supervision.ts';
import { step } from '../../engine/step.ts';

export const wait = step({
  id: 'stop.wait',
  title: 'Wait for it to obey',
  actor: 'daemon',
  then: { symbol: 'State.WaitStop', file: 'daemon/container.go Stop' },
  now: { where: 'moby daemon/stop.go containerStop' },
  needs: ['target', 'asked', 'patience'],
  gives: ['obeyed'],
  observe: ['process'],
  async run({ target, patience }, { sys, interruption, note }) {
    if (target.pidfd < 0) return { obeyed: true };
    const { rings, stop } = alarm(patience);
    try {
      const obeyed = await endedBefore(sys, target.pidfd, Promise.race([rings, interruption]));
      note(obeyed ? 'It has ended by itself.' : `It still runs after ${patience} s.`);
      return { obeyed };
    } finally {
      stop();
    }
  },
});
