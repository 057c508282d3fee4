import { Command } from 'commander';
import { pauseContainer, unpauseContainer } from '../../daemon/pause.ts';
import type { Cli } from '../cli.ts';
import { forEach } from '../each.ts';

/** `pause CONTAINER...`: all of their processes stand still. */
export function pauseCommand(cli: Cli): Command {
  return new Command('pause')
    .summary('let running containers stand still')
    .description('Freeze all processes of containers, wherever they are.')
    .helpOption('--help', 'show this help')
    .argument('<container...>')
    .action(async (wanted: string[]) => {
      cli.requireRoot();
      await cli.recoverFirst();
      await forEach(cli, wanted, (name) => pauseContainer(cli.sys, cli.place, name));
    });
}

/** `unpause CONTAINER...` */
export function unpauseCommand(cli: Cli): Command {
  return new Command('unpause')
    .summary('let paused containers go on')
    .description('Thaw all processes of containers that were paused.')
    .helpOption('--help', 'show this help')
    .argument('<container...>')
    .action(async (wanted: string[]) => {
      cli.requireRoot();
      await cli.recoverFirst();
      await forEach(cli, wanted, (name) => {
        unpauseContainer(cli.sys, cli.place, name);
      });
    });
}
