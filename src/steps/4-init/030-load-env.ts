import { initStep } from './init-step.ts';

export const loadEnv = initStep({
  id: 'init.load-env',
  title: 'Load the environment of the program',
  then: { symbol: 'LoadContainerEnvironment', file: 'lc/namespaces/init.go:46' },
  now: { where: 'runc libcontainer/env.go prepareEnv' },
  needs: ['handshake', 'configLoaded'],
  gives: 'envLoaded',
  observe: ['process'],
});
