import { initStep } from '../4-init/init-step.ts';

export const closeOnExec = initStep({
  id: 'exec.close-on-exec',
  title: 'Mark what is left to close on exec',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/init_linux.go finalizeNamespace', cve: ['CVE-2024-21626'] },
  needs: ['handshake', 'seccompSet'],
  gives: 'descriptorsMarked',
  observe: ['process'],
});
