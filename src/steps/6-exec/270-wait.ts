import { step } from '../../engine/step.ts';
import type { Ended } from '../../kernel/binding.ts';

export const wait = step({
  id: 'exec.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['childEnd', 'ready', 'terminal', 'terminalJoiner'],
  gives: ['ended'],
  observe: ['process'],
  handsTerminalTo: 'front-end',
  async run({ childEnd, terminal, terminalJoiner }, { handOver, note }) {
    if (terminal === null || terminalJoiner === null) return { ended: await childEnd.ended };
    if ((await terminalJoiner.join(terminal, childEnd.ended)) === 'ended')
      return { ended: await childEnd.ended };
    handOver('kill-process');
    note('Its terminal was left; the program goes on.');
    return { ended: LEFT };
  },
});

/** Nobody saw it end: whoever leaves has succeeded in leaving. */
const LEFT: Ended = { how: 'exited', status: 0, userTime: 0, systemTime: 0, maxRss: 0 };
