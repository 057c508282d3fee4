import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import { startFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import {
  addDebuggerFlags,
  addProxyFlag,
  watchingOf,
  type DebuggerOptions,
  type ProxyOption,
} from '../options.ts';
import { walk } from '../walk.ts';

/** `start CONTAINER`: starts a created or ended container and waits for it, in the foreground. */
export function startCommand(cli: Cli): Command {
  const command = new Command('start')
    .summary('start a container')
    .description('Start a container that was created or has ended, and wait for its end.')
    .helpOption('--help', 'show this help');
  addDebuggerFlags(addProxyFlag(command));
  return command
    .argument('<container>')
    .action(async (wanted: string, options: DebuggerOptions & ProxyOption) => {
      const watching = watchingOf(options);
      cli.requireRoot();
      await cli.recoverFirst();
      const { container, hostConfig } = findContainer(cli.sys, cli.place, wanted);
      await walk(cli, {
        command: 'start',
        steps: startFlow,
        initial: { wanted: container.ID },
        rm: hostConfig.AutoRemove,
        interactive: container.Config.OpenStdin,
        watching,
        keepSignals: options.sigProxy === false,
      });
    });
}
