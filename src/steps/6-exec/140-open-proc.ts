import { initStep } from '../4-init/init-step.ts';

export const openProc = initStep({
  id: 'exec.open-proc',
  title: 'Open a procfs of its own',
  then: { symbol: '', file: '' },
  now: { where: 'cyphar.com/go-pathrs procfs', cve: ['CVE-2019-16884', 'CVE-2025-52881'] },
  needs: ['handshake', 'sessionLed'],
  gives: 'procOpened',
  observe: ['process'],
});
