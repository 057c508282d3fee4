import { initStep } from './init-step.ts';

export const pivot = initStep({
  id: 'init.pivot',
  title: 'Change the root with pivot_root',
  then: { symbol: 'PivotRoot', file: 'lc/mount/pivotroot.go:13' },
  now: { where: 'runc libcontainer/rootfs_linux.go pivotRoot' },
  needs: ['handshake', 'devLinked'],
  gives: 'jailed',
  observe: ['mounts', 'process'],
});
