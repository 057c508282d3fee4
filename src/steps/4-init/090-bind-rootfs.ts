import { initStep } from './init-step.ts';

export const bindRootfs = initStep({
  id: 'init.bind-rootfs',
  title: 'Bind the root filesystem onto itself',
  then: { symbol: 'InitializeMountNamespace', file: 'lc/mount/init.go:40' },
  now: { where: 'runc libcontainer/rootfs_linux.go prepareRoot' },
  needs: ['handshake', 'mountsPrivate'],
  gives: 'rootfsBound',
  observe: ['mounts'],
});
