import { initStep } from './init-step.ts';

export const readNetworkState = initStep({
  id: 'init.read-network-state',
  title: 'Wait for the network state',
  then: { symbol: 'ReadFromParent', file: 'lc/namespaces/init.go:52' },
  now: { where: 'runc bootstrap message and JSON' },
  needs: ['handshake', 'cgroupsJoined', 'networkSent'],
  gives: 'networkStateRead',
  observe: ['process'],
});
