import { initStep } from './init-step.ts';

export const lsm = initStep({
  id: 'init.lsm',
  title: 'Choose the AppArmor profile for exec',
  then: { symbol: 'ApplyProfile, SetProcessLabel', file: 'lc/namespaces/init.go:91' },
  now: {
    where: 'runc libcontainer/apparmor, procfs-safe opens',
    cve: ['CVE-2019-16884', 'CVE-2019-19921', 'CVE-2025-52881'],
  },
  needs: ['handshake', 'hostnameSet'],
  gives: 'lsmSet',
  observe: ['process'],
});
