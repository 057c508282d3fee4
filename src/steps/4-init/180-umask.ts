import { initStep } from './init-step.ts';

export const umask = initStep({
  id: 'init.umask',
  title: 'Set the umask to 0022',
  then: { symbol: 'Umask(0022)', file: 'lc/mount/init.go:85' },
  now: { where: 'runc libcontainer/rootfs_linux.go finalizeRootfs' },
  needs: ['handshake', 'rootReadonly'],
  gives: 'umaskSet',
  observe: ['process'],
});
