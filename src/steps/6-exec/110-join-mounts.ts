import { initStep } from '../4-init/init-step.ts';

export const joinMounts = initStep({
  id: 'exec.join-mounts',
  title: 'Join the mount namespace',
  then: { symbol: '', file: '' },
  now: {
    where: 'runc libcontainer/nsenter/nsexec.c join_namespaces',
    cve: ['CVE-2016-9962', 'CVE-2024-21626'],
  },
  needs: ['handshake', 'namespacesJoined'],
  gives: 'mountsJoined',
  observe: ['namespaces', 'mounts'],
});
