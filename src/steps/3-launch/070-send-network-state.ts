import { step } from '../../engine/step.ts';

export const sendNetworkState = step({
  id: 'launch.send-network-state',
  title: 'Tell dockerinit about its network',
  actor: 'daemon',
  then: { symbol: 'SyncPipe.SendToChild', file: 'lc/namespaces/exec.go:186' },
  now: { where: 'runc libcontainer/process_linux.go start' },
  needs: ['handshake', 'networkState'],
  gives: ['networkSent'],
  observe: [],
  run({ handshake, networkState }) {
    handshake.sendNetworkState(networkState);
    return { networkSent: { notes: { ...networkState } } };
  },
});
