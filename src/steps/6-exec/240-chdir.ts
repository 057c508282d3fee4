import { initStep } from '../4-init/init-step.ts';

export const chdir = initStep({
  id: 'exec.chdir',
  title: 'Change to the working directory',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/init_linux.go verifyCwd', cve: ['CVE-2024-21626'] },
  needs: ['handshake', 'capabilitiesDropped'],
  gives: 'directoryChanged',
  observe: ['process'],
});
