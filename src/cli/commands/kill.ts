import { Command } from 'commander';
import { killContainer } from '../../daemon/kill.ts';
import { SIGKILL } from '../../daemon/signals.ts';
import type { Cli } from '../cli.ts';
import { forEach } from '../each.ts';
import * as value from '../option-values.ts';

/** `kill [-s SIGNAL] CONTAINER...`: a signal to process 1, SIGKILL by default. */
export function killCommand(cli: Cli): Command {
  return new Command('kill')
    .summary('send a signal to running containers')
    .description('Send a signal to process 1 of containers: SIGKILL, if nothing else is said.')
    .helpOption('--help', 'show this help')
    .option('-s, --signal <signal>', 'name or number of the signal')
    .argument('<container...>')
    .action(async (wanted: string[], options: { signal?: string }) => {
      const signal = options.signal === undefined ? SIGKILL : value.signal('--signal', options.signal);
      cli.requireRoot();
      await cli.recoverFirst();
      await forEach(cli, wanted, (name) =>
        killContainer(cli.sys, cli.place, name, signal, (text) => {
          cli.say(`ts-dock: ${text}`);
        }),
      );
    });
}
