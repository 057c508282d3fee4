import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const wait = step({
  id: 'exit.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Wait', file: 'lc/namespaces/exec.go:106' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['child', 'running'],
  gives: ['ended'],
  observe: ['process', 'namespaces', 'cgroups', 'links', 'firewall'],
  handsTerminalTo: 'front-end',
  async run({ child }, { sys }) {
    await sys.readable(child.pidfd);
    const ended = sys.waitPidfd(child.pidfd);
    if (ended === null) throw new TsDockError('init-died', 'the program ended and cannot be waited for');
    sys.close(child.pidfd);
    return { ended };
  },
});
