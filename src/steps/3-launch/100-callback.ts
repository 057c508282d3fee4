import { changeContainer, noSuchContainer } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { stoppedMeanwhile } from '../../daemon/supervision.ts';
import type { Container, State } from '../../daemon/model.ts';
import { step } from '../../engine/step.ts';

export const callback = step({
  id: 'launch.callback',
  title: 'Record that the container runs',
  actor: 'daemon',
  then: { symbol: 'startCallback', file: 'daemon/monitor.go:247' },
  now: { where: 'containerd client/task.go Start' },
  needs: ['ready', 'child', 'subject', 'lease', 'volumes', 'resolvConf', 'hostsFiles', 'monitor'],
  gives: ['running'],
  observe: ['files'],
  plan: ({ subject }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'transient', kind: 'settle-state', container: subject.container.ID }],
  }),
  async run({ child, subject, lease, volumes, resolvConf, hostsFiles, monitor }, { sys, place }) {
    const running: State = {
      ...subject.container.State,
      Running: true,
      Paused: false,
      Restarting: false,
      Pid: child.pid,
      ExitCode: 0,
      StartedAt: new Date().toISOString(),
      OOMKilled: false,
      StopRequested: false,
    };
    // As it stands on disk now: it may have been renamed since start.get-container read it.
    const change = (container: Container): Container => {
      // Who stopped it while it was being restarted found no process, and waits for this run.
      if (container.State.Restarting && container.State.StopRequested) throw stoppedMeanwhile(container.ID);
      return {
        ...container,
        State: running,
        ResolvConfPath: resolvConf.path,
        HostsPath: hostsFiles.hosts,
        HostnamePath: hostsFiles.hostname,
        NetworkSettings: {
          ...container.NetworkSettings,
          IPAddress: lease.address,
          IPPrefixLen: lease.prefix,
          Gateway: lease.gateway,
          Bridge: lease.bridge,
        },
        Volumes: volumes.paths,
        VolumesRW: volumes.writable,
      };
    };
    const container = changeContainer(sys, place, subject.container.ID, change);
    if (container === undefined) throw noSuchContainer(subject.container.ID);
    recordEvent(place, 'start', subjectOf(container));
    // Last: from here on it outlives us, and whoever looks must find it written down.
    await monitor?.own();
    return { running };
  },
});
