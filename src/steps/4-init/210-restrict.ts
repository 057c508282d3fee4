import { initStep } from './init-step.ts';

export const restrict = initStep({
  id: 'init.restrict',
  title: 'Mask and protect parts of /proc and /sys',
  then: { symbol: 'restrict.Restrict', file: 'lc/security/restrict/restrict.go:14' },
  now: {
    where: 'runc libcontainer/rootfs_linux.go readonlyPath, maskPaths',
    cve: ['CVE-2015-3630', 'CVE-2017-16539', 'CVE-2018-10892', 'CVE-2025-31133'],
  },
  needs: ['handshake', 'lsmSet'],
  gives: 'restricted',
  observe: ['mounts'],
});
