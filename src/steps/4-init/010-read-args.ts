import { initStep } from './init-step.ts';

export const readArgs = initStep({
  id: 'init.read-args',
  title: 'Read the arguments, close what leaked',
  then: { symbol: 'initializer', file: 'daemon/execdriver/native/init.go:23' },
  now: {
    where: 'runc libcontainer/init_linux.go Init',
    cve: ['CVE-2016-9962', 'CVE-2024-21626'],
    moved:
      'closing descriptors moved here from init.close-on-exec: nothing may be open that nobody agreed on',
  },
  needs: ['handshake', 'startTime'],
  gives: 'argsRead',
  observe: ['process', 'namespaces'],
});
