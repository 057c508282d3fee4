import { Command } from 'commander';
import { inspect } from '../../daemon/inspect.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';

/** `inspect NAME...`: all that is written down about containers or images, as a JSON array. */
export function inspectCommand(cli: Cli): Command {
  return new Command('inspect')
    .summary('show all that is known of containers or images')
    .description('Show all that is written down about containers or images, as a JSON array.')
    .helpOption('--help', 'show this help')
    .option('--json', 'as JSON (always)')
    .argument('<name...>', 'containers or images, by name or id')
    .action(async (names: string[]) => {
      const there = await cli.rootIsTrue();
      const found: unknown[] = [];
      for (const name of names) {
        try {
          if (!there)
            throw new TsDockError(
              'no-such-container',
              `cannot find ${name}: there is nothing in ${cli.place.root}`,
            );
          found.push(await inspect(cli.sys, cli.place, name));
        } catch (error) {
          cli.showError(error);
          cli.exitCode = 1;
        }
      }
      cli.print(JSON.stringify(found, null, 2));
    });
}
