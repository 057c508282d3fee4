import { initStep } from './init-step.ts';

export const hostname = initStep({
  id: 'init.hostname',
  title: 'Set the hostname',
  then: { symbol: 'Sethostname', file: 'lc/namespaces/init.go:86' },
  now: { where: 'runc libcontainer/standard_init_linux.go Init' },
  needs: ['handshake', 'umaskSet'],
  gives: 'hostnameSet',
  observe: ['namespaces'],
});
