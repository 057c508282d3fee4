import { initStep } from './init-step.ts';

export const seccomp = initStep({
  id: 'init.seccomp',
  title: 'Install the system call filter',
  then: { symbol: '', file: '' },
  now: {
    where: 'runc libcontainer/standard_init_linux.go InitSeccomp',
    cve: ['CVE-2022-0492', 'CVE-2026-31431'],
    moved: 'before the capabilities are dropped: without no_new_privs the filter needs CAP_SYS_ADMIN',
  },
  needs: ['handshake', 'rlimitsSet'],
  gives: 'seccompSet',
  observe: ['process'],
});
