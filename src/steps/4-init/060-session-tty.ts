import { initStep } from './init-step.ts';

export const sessionTty = initStep({
  id: 'init.session-tty',
  title: 'Lead a session of its own',
  then: { symbol: 'OpenAndDup, Setsid, Setctty', file: 'lc/namespaces/init.go:57' },
  now: { where: 'runc libcontainer/init_linux.go setupConsole', cve: ['CVE-2017-5226'] },
  needs: ['handshake', 'networkStateRead'],
  gives: 'sessionLed',
  observe: ['process'],
});
