import { initStep } from './init-step.ts';

export const systemMounts = initStep({
  id: 'init.system-mounts',
  title: 'Mount proc, dev, shm, pts, mqueue and sysfs',
  then: { symbol: 'mountSystem', file: 'lc/mount/init.go:92' },
  now: {
    where: 'runc libcontainer/rootfs_linux.go prepareRootfs',
    cve: ['CVE-2019-16884', 'CVE-2019-19921', 'CVE-2026-41579'],
  },
  needs: ['handshake', 'rootfsBound'],
  gives: 'systemMounted',
  observe: ['mounts'],
});
