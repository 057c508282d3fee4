import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { becameProgram } from '../../daemon/processes.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const waitReady = step({
  id: 'exec.wait-ready',
  title: 'See that the program really runs',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/sync.go parseSync' },
  needs: ['handshake', 'child', 'childEnd', 'execd', 'subject'],
  gives: ['ready'],
  observe: ['process'],
  async run({ handshake, child, childEnd, subject }, { sys, place }) {
    await handshake.over();
    handshake.close();
    // The pipe's end says only that nobody holds it.
    if (!(await becameProgram(sys, child.pid)) || childEnd.diedAsInit())
      throw new TsDockError(
        'init-died',
        'dockerinit said that it was ready and then ended without starting the program',
        {
          means: 'It was killed between its last word and execve, or the container ended at that moment.',
          remedy: '`ts-dock ps` shows whether the container still runs.',
        },
      );
    recordEvent(place, 'exec_start', subjectOf(subject.container));
    return { ready: { notes: {} } };
  },
});
