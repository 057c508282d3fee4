import { initStep } from '../4-init/init-step.ts';

export const joinNamespaces = initStep({
  id: 'exec.join-namespaces',
  title: 'Join ipc, uts, net and pid',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c join_namespaces' },
  needs: ['handshake', 'cgroupsJoined'],
  gives: 'namespacesJoined',
  observe: ['namespaces'],
});
