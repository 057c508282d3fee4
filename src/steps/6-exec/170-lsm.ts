import { initStep } from '../4-init/init-step.ts';

export const lsm = initStep({
  id: 'exec.lsm',
  title: 'Choose the AppArmor profile for exec',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/setns_init_linux.go Init', cve: ['CVE-2019-16884', 'CVE-2025-52881'] },
  needs: ['handshake', 'nullReopened'],
  gives: 'lsmSet',
  observe: ['process'],
});
