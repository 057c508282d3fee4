import { Command } from 'commander';
import { updateContainer, type Asked } from '../../daemon/update.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { forEach } from '../each.ts';
import { addLimitFlags, limitsOf, type LimitOptions } from '../options.ts';

/** `update LIMITS CONTAINER...`: other limits, at once if it runs, and for every start from now on. */
export function updateCommand(cli: Cli): Command {
  const command = new Command('update')
    .summary('change the limits of containers')
    .description('Change the limits of containers: at once if they run, and for every later start.')
    .helpOption('--help', 'show this help');
  return addLimitFlags(command)
    .argument('<container...>')
    .action(async (wanted: string[], options: LimitOptions) => {
      const asked: Asked = limitsOf(options);
      if (Object.keys(asked).length === 0)
        throw new TsDockError('bad-usage', 'expected at least one limit to change', {
          remedy: '`ts-dock update --help` lists them.',
        });
      cli.requireRoot();
      await cli.recoverFirst();
      await forEach(cli, wanted, (name) => {
        updateContainer(cli.sys, cli.place, name, asked);
      });
    });
}
