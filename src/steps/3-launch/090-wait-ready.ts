import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { becameProgram } from '../../daemon/processes.ts';

export const waitReady = step({
  id: 'launch.wait-ready',
  title: 'See that the program really runs',
  actor: 'daemon',
  then: { symbol: 'SyncPipe.ReadFromChild', file: 'lc/namespaces/exec.go:96' },
  now: { where: 'runc libcontainer/sync.go parseSync' },
  needs: ['handshake', 'child', 'stateFile', 'execd'],
  gives: ['ready'],
  observe: ['process'],
  async run({ handshake, child }, { sys }) {
    await handshake.over();
    handshake.close();
    // The pipe's end says only that nobody holds it. Before anybody reaps, the kernel can be asked who this process is.
    if (!(await becameProgram(sys, child.pid))) {
      throw new TsDockError(
        'init-died',
        'dockerinit said that it was ready and then ended without starting the program',
        {
          means: 'It was killed between its last word and execve, or execve itself was fatal.',
          remedy: 'Look at the kernel log (dmesg) for the out-of-memory killer.',
        },
      );
    }
    return { ready: { notes: {} } };
  },
});
