import { usedBy } from '../../daemon/cgroups.ts';
import { step } from '../../engine/step.ts';

export const wait = step({
  id: 'exit.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Wait', file: 'lc/namespaces/exec.go:106' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['ending', 'running', 'cgroupPaths'],
  gives: ['ended'],
  observe: ['process', 'namespaces', 'cgroups', 'links', 'firewall'],
  handsTerminalTo: 'front-end',
  async run({ ending, running, cgroupPaths }, { sys, record }) {
    const { ended, at } = await ending.wait();
    // The child's own rusage begins with Node's memory, which it was cloned with: only its cgroup knows its peak.
    const { cpu, peak } = usedBy(sys, cgroupPaths);
    const { how, status, userTime, systemTime } = ended;
    const spent = cpu ?? (userTime + systemTime) * 1000;
    record({ k: 'process', at, pid: running.Pid, how, status, cpu: spent, peak: peak ?? 0 });
    return { ended };
  },
});
