import { initStep } from './init-step.ts';

export const mountPrivate = initStep({
  id: 'init.mount-private',
  title: 'Make all mounts private',
  then: { symbol: 'InitializeMountNamespace', file: 'lc/mount/init.go:37' },
  now: { where: 'runc libcontainer/rootfs_linux.go prepareRoot' },
  needs: ['handshake', 'networkUp'],
  gives: 'mountsPrivate',
  observe: ['mounts'],
});
