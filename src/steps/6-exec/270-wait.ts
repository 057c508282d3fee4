import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { exitCodeOf } from '../../daemon/exit-code.ts';
import { step } from '../../engine/step.ts';
import type { Ended } from '../../kernel/binding.ts';

export const wait = step({
  id: 'exec.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['childEnd', 'ready', 'terminal', 'terminalJoiner', 'subject'],
  gives: ['ended'],
  observe: ['process'],
  handsTerminalTo: 'front-end',
  async run({ childEnd, terminal, terminalJoiner, subject }, { place, handOver, note }) {
    const joined =
      terminal === null || terminalJoiner === null
        ? 'ended'
        : await terminalJoiner.join(terminal, childEnd.ended);
    if (joined === 'ended') {
      const ended = await childEnd.ended;
      const exitCode = exitCodeOf(ended).toString();
      recordEvent(place, 'exec_die', subjectOf(subject.container), { exitCode });
      return { ended };
    }
    handOver('kill-process');
    note('Its terminal was left; the program goes on.');
    return { ended: LEFT };
  },
});

/** Nobody saw it end: whoever leaves has succeeded in leaving. */
const LEFT: Ended = { how: 'exited', status: 0, userTime: 0, systemTime: 0, maxRss: 0 };
