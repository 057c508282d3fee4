import { Command } from 'commander';
import { renameContainer } from '../../daemon/rename.ts';
import type { Cli } from '../cli.ts';
import * as value from '../option-values.ts';

/** `rename CONTAINER NAME`: also while it runs; its host name stays as it is. */
export function renameCommand(cli: Cli): Command {
  return new Command('rename')
    .summary('give a container another name')
    .description('Give a container another name. Its host name stays as it is.')
    .helpOption('--help', 'show this help')
    .argument('<container>')
    .argument('<name>')
    .action(async (wanted: string, name: string) => {
      value.containerName('NAME', name);
      cli.requireRoot();
      await cli.recoverFirst();
      renameContainer(cli.sys, cli.place, wanted, name);
    });
}
