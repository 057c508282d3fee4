import { verifyJoined } from '../../daemon/cgroups.ts';
import { namespacesOf, pidOf } from '../../daemon/exec-target.ts';
import { stillDockerinit } from '../../daemon/processes.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import type { Values } from '../../flows/values.ts';
import { startTimeOf } from '../../kernel/append.ts';
import type { Ended } from '../../kernel/binding.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export const fork = step({
  id: 'exec.fork',
  title: 'Fork into the pid namespace',
  actor: 'dockerinit',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c, stage 2', cve: ['CVE-2016-9962'] },
  needs: ['handshake', 'joiner', 'held', 'execTarget', 'execRequest', 'mountsJoined'],
  gives: ['child', 'childEnd'],
  observe: ['process', 'namespaces', 'cgroups'],
  async run(
    { handshake, joiner, held, execTarget: target, execRequest },
    { sys, run, report, note, alsoUndo },
  ) {
    const { notes, ...left } = await handshake.left('exec.fork');
    report(left);
    const pidfd = await handshake.child();
    const pid = pidOf(sys, pidfd);
    if (pid === undefined) throw gone();
    alsoUndo({ lifetime: 'transient', kind: 'kill-process', pid, startTime: startTimeOf(pid) ?? '' });
    await reap(sys, joiner.pidfd);
    const childEnd = watchEnd(sys, pid, pidfd);
    verify(sys, pid, held.namespaces);
    verifyJoined(sys, pid, target.cgroupPaths);
    // A terminal gets its size before there is a program that could ask for it.
    const next = execRequest.tty ? 'exec.console' : run.initSteps.at(-1);
    if (!run.gated && next !== undefined) handshake.permit(next);
    note(`outside it is ${pid.toString()}, inside ${JSON.stringify(notes['pid_inside'] ?? '?')}`);
    return { child: { pid, pidfd }, childEnd };
  },
});

/** A zombie still has dockerinit's name, if that is what it was: looked at before it is reaped. */
function watchEnd(sys: Kernel, pid: number, pidfd: number): Values['childEnd'] {
  let asInit = false;
  const ended = sys.readable(pidfd).then(() => {
    asInit = stillDockerinit(sys, pid);
    return reap(sys, pidfd);
  });
  // Waited for later; until then its failure is nobody's.
  ended.catch(() => undefined);
  return { ended, diedAsInit: () => asInit };
}

async function reap(sys: Kernel, pidfd: number): Promise<Ended> {
  await sys.readable(pidfd);
  const ended = sys.waitPidfd(pidfd);
  if (ended === null) throw gone();
  return ended;
}

/** It says that it joined; the kernel says what. */
function verify(sys: Kernel, pid: number, wanted: Readonly<Record<string, string>>): void {
  const is = namespacesOf(sys, pid);
  for (const [name, link] of Object.entries(wanted))
    if (is[name] !== link)
      throw new TsDockError(
        'handshake',
        `process ${pid.toString()} is in ${is[name] ?? 'no'} ${name} namespace, not in the container's ${link}`,
      );
}

function gone(): TsDockError {
  return new TsDockError('init-died', 'dockerinit ended as soon as it was inside the container', {
    means: 'The container ended at the same moment, or a limit of its cgroup was reached.',
    remedy: '`ts-dock ps` shows whether it still runs.',
  });
}
