import { usedBy } from '../../daemon/cgroups.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { now } from '../../kernel/calls.ts';

export const wait = step({
  id: 'exit.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Wait', file: 'lc/namespaces/exec.go:106' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['child', 'running', 'cgroupPaths'],
  gives: ['ended'],
  observe: ['process', 'namespaces', 'cgroups'],
  handsTerminalTo: 'front-end',
  async run({ child, cgroupPaths }, { sys, record }) {
    await sys.readable(child.pidfd);
    const at = now();
    const ended = sys.waitPidfd(child.pidfd);
    if (ended === null) throw new TsDockError('init-died', 'the program ended and cannot be waited for');
    sys.close(child.pidfd);
    // The child's own rusage begins with Node's memory, which it was cloned with: only its cgroup knows its peak.
    const { cpu, peak } = usedBy(sys, cgroupPaths);
    const { how, status, userTime, systemTime } = ended;
    record({
      k: 'process',
      at,
      pid: child.pid,
      how,
      status,
      cpu: cpu ?? (userTime + systemTime) * 1000,
      peak: peak ?? 0,
    });
    return { ended };
  },
});
