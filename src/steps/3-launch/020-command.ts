import { step } from '../../engine/step.ts';
import { CLONE } from '../../kernel/flags.ts';

/** Where dockerinit finds its end of the sync pipe. */
const PIPE = 3;

export const command = step({
  id: 'launch.command',
  title: 'Compose the command line of dockerinit',
  actor: 'daemon',
  then: { symbol: 'CreateCommand closure', file: 'daemon/execdriver/native/driver.go:102' },
  now: { where: 'runc libcontainer/container_linux.go newParentProcess' },
  needs: ['command', 'bundle', 'initConfig', 'syncPipe'],
  gives: ['commandLine'],
  observe: [],
  run({ command: wanted, bundle, initConfig }, { note }) {
    const argv = [
      'native',
      '-console',
      '',
      '-pipe',
      PIPE.toString(),
      '-root',
      bundle,
      '--',
      wanted.entrypoint,
      ...wanted.arguments,
    ];
    const flags = Object.entries(CLONE).reduce(
      (bits, [name, bit]) => (initConfig.namespaces[name as keyof typeof CLONE] ? bits | bit : bits),
      0,
    );
    note(
      'The environment of the container is data in container.json. In 1.2.0 dockerinit, a program of the host that runs as root, was started with it.',
    );
    return { commandLine: { argv, flags } };
  },
});
