import { Handshake } from '../../daemon/handshake.ts';
import { endingOf } from '../../daemon/ending.ts';
import { step } from '../../engine/step.ts';
import { startTimeOf } from '../../kernel/append.ts';

export const clone = step({
  id: 'launch.clone',
  title: 'Clone dockerinit into new namespaces',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Start', file: 'lc/namespaces/exec.go:45' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c', cve: ['CVE-2019-5736'] },
  needs: ['commandLine', 'syncPipe', 'sealedInit', 'stdio', 'rootfs', 'command', 'monitor', 'attachment'],
  gives: ['child', 'handshake', 'ending'],
  observe: ['namespaces', 'process'],
  async run(taken, { sys, run, alsoUndo, record }) {
    const { commandLine, syncPipe, sealedInit, stdio, rootfs, command, monitor, attachment } = taken;
    const what = { exe: sealedInit, argv: commandLine.argv, flags: commandLine.flags, cwd: rootfs };
    const inherited = stdio.by === 'inherit' ? stdio : { fds: [], close: [] };
    const { pid, pidfd } =
      monitor === null
        ? sys.clone({ ...what, env: [], fds: [...inherited.fds, syncPipe.child] })
        : await monitor.clone({ ...what, pipe: syncPipe.child });
    // Only the kernel can say who this is, and only while it is not reaped: killed before this line stands in the
    // journal, ts-dock leaves a child that sees the end of the sync pipe and ends by itself.
    alsoUndo({ lifetime: 'transient', kind: 'kill-process', pid, startTime: startTimeOf(pid) ?? '' });
    // Our copy of the child's end would keep the pipe open for ever: no end of file would tell that it died.
    for (const fd of [syncPipe.child, sealedInit, ...inherited.close]) sys.close(fd);
    const seconds = Number(process.env.TS_DOCK_HANDSHAKE_SECONDS);
    const deadline = seconds > 0 ? { deadlineMs: seconds * 1000 } : {};
    const handshake = new Handshake({
      sys,
      pipe: syncPipe.parent,
      pidfd,
      steps: run.initSteps,
      gated: run.gated,
      console: command.tty,
      onFrame: (frame) => {
        record({ k: 'frame', ...frame });
      },
      ...deadline,
    });
    const last = run.initSteps.at(-1);
    if (!run.gated && last !== undefined) handshake.permit(last);
    const child = { pid, pidfd };
    return { child, handshake, ending: endingOf(sys, child, monitor, attachment) };
  },
});
