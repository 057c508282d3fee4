import { checkKernelHostname } from '../../daemon/hosts.ts';
import { commandOf } from '../../daemon/merge.ts';
import { EMPTY_STATE, type Container } from '../../daemon/model.ts';
import { shortId } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const newContainer = step({
  id: 'create.new-container',
  title: 'Make the Container object',
  actor: 'daemon',
  then: { symbol: 'newContainer', file: 'daemon/daemon.go:516' },
  now: { where: 'moby daemon/container.go newContainer' },
  needs: ['identity', 'mergedConfig', 'image', 'request'],
  gives: ['container', 'createHostConfig'],
  observe: [],
  run({ identity: { id, name }, mergedConfig, image, request }) {
    const [path = '', ...args] = commandOf(mergedConfig);
    const Hostname = mergedConfig.Hostname === '' ? shortId(id) : checkKernelHostname(mergedConfig.Hostname);
    const container: Container = {
      ID: id,
      Created: new Date().toISOString(),
      Path: path,
      Args: args,
      Config: { ...mergedConfig, Hostname },
      State: EMPTY_STATE,
      Image: image.id,
      NetworkSettings: {
        IPAddress: '',
        IPPrefixLen: 0,
        Gateway: '',
        Bridge: '',
        PortMapping: null,
        Ports: {},
      },
      ResolvConfPath: '',
      HostnamePath: '',
      HostsPath: '',
      Name: `/${name}`,
      Driver: 'overlay',
      ExecDriver: 'native-0.2',
      MountLabel: '',
      ProcessLabel: '',
      RestartCount: 0,
      Volumes: {},
      VolumesRW: {},
    };
    return { container, createHostConfig: request.hostConfig };
  },
});
