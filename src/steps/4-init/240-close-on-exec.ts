import { initStep } from './init-step.ts';

export const closeOnExec = initStep({
  id: 'init.close-on-exec',
  title: 'Mark what is left to close on exec',
  then: { symbol: 'utils.CloseExecFrom', file: 'lc/utils/utils.go:33' },
  now: { where: 'runc libcontainer/init_linux.go finalizeNamespace', cve: ['CVE-2024-21626'] },
  needs: ['handshake', 'seccompSet'],
  gives: 'descriptorsMarked',
  observe: ['process'],
});
