import { initStep } from '../4-init/init-step.ts';

export const sessionTty = initStep({
  id: 'exec.session-tty',
  title: 'Lead a session of its own',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/nsenter/nsexec.c, stage 2', cve: ['CVE-2017-5226'] },
  needs: ['handshake', 'child'],
  gives: 'sessionLed',
  observe: ['process'],
});
