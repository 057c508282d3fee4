import { Handshake } from '../../daemon/handshake.ts';
import { step } from '../../engine/step.ts';
import { startTimeOf } from '../../kernel/append.ts';

export const clone = step({
  id: 'launch.clone',
  title: 'Clone dockerinit into new namespaces',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Start', file: 'lc/namespaces/exec.go:45' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c', cve: ['CVE-2019-5736'] },
  needs: ['commandLine', 'syncPipe', 'sealedInit', 'stdio', 'rootfs'],
  gives: ['child', 'handshake'],
  observe: ['namespaces', 'process'],
  run({ commandLine, syncPipe, sealedInit, stdio, rootfs }, { sys, run, alsoUndo, record }) {
    const { pid, pidfd } = sys.clone({
      exe: sealedInit,
      argv: commandLine.argv,
      env: [],
      flags: commandLine.flags,
      cwd: rootfs,
      fds: [...stdio.fds, syncPipe.child],
    });
    // Only the kernel can say who this is, and only while it is not reaped: killed before this line stands in the
    // journal, ts-dock leaves a child that sees the end of the sync pipe and ends by itself.
    alsoUndo({ lifetime: 'transient', kind: 'kill-process', pid, startTime: startTimeOf(pid) ?? '' });
    // Our copy of the child's end would keep the pipe open for ever: no end of file would tell that it died.
    for (const fd of [syncPipe.child, sealedInit, ...stdio.close]) sys.close(fd);
    const seconds = Number(process.env.TS_DOCK_HANDSHAKE_SECONDS);
    const deadline = seconds > 0 ? { deadlineMs: seconds * 1000 } : {};
    const handshake = new Handshake({
      sys,
      pipe: syncPipe.parent,
      pidfd,
      steps: run.initSteps,
      gated: run.gated,
      onFrame: (frame) => {
        record({ k: 'frame', ...frame });
      },
      ...deadline,
    });
    const last = run.initSteps.at(-1);
    if (!run.gated && last !== undefined) handshake.permit(last);
    return { child: { pid, pidfd }, handshake };
  },
});
