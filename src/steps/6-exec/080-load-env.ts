import { initStep } from '../4-init/init-step.ts';

export const loadEnv = initStep({
  id: 'exec.load-env',
  title: 'Keep the environment as data',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/env.go prepareEnv' },
  needs: ['handshake', 'configLoaded'],
  gives: 'envLoaded',
  observe: ['process'],
});
