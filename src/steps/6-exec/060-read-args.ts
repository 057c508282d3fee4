import { initStep } from '../4-init/init-step.ts';

export const readArgs = initStep({
  id: 'exec.read-args',
  title: 'Read the arguments',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c', cve: ['CVE-2016-9962', 'CVE-2024-21626'] },
  needs: ['handshake', 'joiner'],
  gives: 'argsRead',
  observe: ['process'],
});
