import { initStep } from './init-step.ts';

export const chdir = initStep({
  id: 'init.chdir',
  title: 'Change to the working directory',
  then: { symbol: 'FinalizeNamespace', file: 'lc/namespaces/init.go:243' },
  now: { where: 'runc libcontainer/init_linux.go verifyCwd', cve: ['CVE-2024-21626'] },
  needs: ['handshake', 'capabilitiesDropped'],
  gives: 'directoryChanged',
  observe: ['process'],
});
