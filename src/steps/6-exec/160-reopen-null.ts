import { initStep } from '../4-init/init-step.ts';

export const reopenNull = initStep({
  id: 'exec.reopen-null',
  title: 'Reopen /dev/null inside',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/rootfs_linux.go reOpenDevNull', cve: ['CVE-2015-3627'] },
  needs: ['handshake', 'terminal'],
  gives: 'nullReopened',
  observe: ['process'],
});
