import { saveContainer } from '../../daemon/containers.ts';
import type { State } from '../../daemon/model.ts';
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
      StopRequested: false,
      Pid: child.pid,
      ExitCode: 0,
      StartedAt: new Date().toISOString(),
    };
    const container = {
      ...subject.container,
      State: running,
      ResolvConfPath: resolvConf.path,
      HostsPath: hostsFiles.hosts,
      HostnamePath: hostsFiles.hostname,
      NetworkSettings: {
        ...subject.container.NetworkSettings,
        IPAddress: lease.address,
        IPPrefixLen: lease.prefix,
        Gateway: lease.gateway,
        Bridge: lease.bridge,
      },
      Volumes: volumes.paths,
      VolumesRW: volumes.writable,
    };
    saveContainer(sys, place, container, subject.hostConfig);
    // Last: from here on it outlives us, and whoever looks must find it written down.
    await monitor?.own();
    return { running };
  },
});
