import { initStep } from '../4-init/init-step.ts';

export const loadConfig = initStep({
  id: 'exec.load-config',
  title: 'Load what the process shall be',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/init_linux.go startInitialization' },
  needs: ['handshake', 'argsRead'],
  gives: 'configLoaded',
  observe: [],
});
