import { initStep } from './init-step.ts';

export const network = initStep({
  id: 'init.network',
  title: 'Bring the network up from inside',
  then: { symbol: 'setupNetwork', file: 'lc/namespaces/init.go:69' },
  now: { where: 'moby libnetwork/osl/interface_linux.go' },
  needs: ['handshake', 'sessionLed'],
  gives: 'networkUp',
  observe: ['links'],
});
