import { initStep } from '../4-init/init-step.ts';

export const seccomp = initStep({
  id: 'exec.seccomp',
  title: 'Install the system call filter',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/setns_init_linux.go InitSeccomp', cve: ['CVE-2022-0492'] },
  needs: ['handshake', 'rlimitsSet'],
  gives: 'seccompSet',
  observe: ['process'],
});
