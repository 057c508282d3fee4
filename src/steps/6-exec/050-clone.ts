import { joinFiles } from '../../daemon/cgroups.ts';
import { Handshake, handshakeDeadline } from '../../daemon/handshake.ts';
import { step } from '../../engine/step.ts';
import { startTimeOf } from '../../kernel/append.ts';

export const clone = step({
  id: 'exec.clone',
  title: 'Start dockerinit, still on the host',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/process_linux.go setnsProcess.start', cve: ['CVE-2016-9962'] },
  needs: ['execRequest', 'execTarget', 'held', 'bundle', 'sealedInit', 'syncPipe', 'stdio'],
  gives: ['joiner', 'handshake'],
  observe: ['process', 'namespaces'],
  run(taken, { sys, run, alsoUndo, record }) {
    const { execRequest, execTarget: target, held, bundle, sealedInit, syncPipe, stdio } = taken;
    if (stdio.by !== 'inherit') throw new Error('the streams of an exec are ours');
    const { pid, pidfd } = sys.clone({
      exe: sealedInit,
      argv: [
        execRequest.detach ? 'exec-detached' : 'exec',
        ...['-console', '', '-pipe', '3', '-root', bundle, '--'],
        ...execRequest.command,
      ],
      env: [],
      flags: 0,
      cwd: '/',
      fds: [...stdio.fds, syncPipe.child, held.pidfd],
    });
    alsoUndo({ lifetime: 'transient', kind: 'kill-process', pid, startTime: startTimeOf(pid) ?? '' });
    // A copy of the child's end would keep the pipe open for ever: no end of file would tell that it died.
    for (const fd of [syncPipe.child, sealedInit, held.pidfd, ...stdio.close]) sys.close(fd);
    const handshake = new Handshake({
      sys,
      pipe: syncPipe.parent,
      pidfd,
      steps: run.initSteps,
      gated: run.gated,
      forkStep: 'exec.fork',
      ...(execRequest.tty ? { consoleStep: 'exec.console' } : {}),
      onFrame: (frame) => {
        record({ k: 'frame', ...frame });
      },
      ...handshakeDeadline(),
    });
    // Not beyond: who it is then is looked at while it waits, for a short program would be gone before one could look.
    if (!run.gated) handshake.permit('exec.fork');
    handshake.sendJoin(joinFiles(target.cgroupPaths));
    return { joiner: { pid, pidfd }, handshake };
  },
});
