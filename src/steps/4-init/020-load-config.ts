import { initStep } from './init-step.ts';

export const loadConfig = initStep({
  id: 'init.load-config',
  title: 'Load container.json',
  then: { symbol: 'initializer', file: 'daemon/execdriver/native/init.go:34' },
  now: { where: 'runc libcontainer/init_linux.go startInitialization (over a socket)' },
  needs: ['handshake', 'argsRead'],
  gives: 'configLoaded',
  observe: ['process'],
});
