import { initStep } from './init-step.ts';

export const bindMounts = initStep({
  id: 'init.bind-mounts',
  title: 'Mount the volumes and the three files',
  then: { symbol: 'setupBindmounts', file: 'lc/mount/init.go:154' },
  now: {
    where: 'runc libcontainer/rootfs_linux.go createOpenMountpoint, mount_setattr',
    cve: ['CVE-2015-3629', 'CVE-2015-3631', 'CVE-2021-30465', 'CVE-2024-45310'],
  },
  needs: ['handshake', 'systemMounted'],
  gives: 'bindsMounted',
  observe: ['mounts'],
});
