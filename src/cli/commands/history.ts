import { Command } from 'commander';
import { historyOf } from '../../daemon/image-history.ts';
import { lookupImage } from '../../daemon/tags.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { historyTable, MISSING } from '../render/tables.ts';

/** `history IMAGE`: how an image came about, the newest line first. */
export function historyCommand(cli: Cli): Command {
  const command = new Command('history')
    .summary('show how an image came about')
    .description('Show how an image came about, the newest first.')
    .helpOption('--help', 'show this help')
    .option('-q, --quiet', 'only the ids')
    .option('--no-trunc', 'ids and commands in full')
    .argument('<image>', 'an image, by name or id');
  return addJsonFlag(command).action(
    (wanted: string, options: { quiet?: boolean; trunc: boolean; json?: boolean }) => {
      if (!cli.rootIsThere())
        throw new TsDockError(
          'no-such-image',
          `cannot find ${wanted}: there is nothing in ${cli.place.root}`,
        );
      const lines = historyOf(cli.sys, cli.place, lookupImage(cli.sys, cli.place, wanted));
      const whole = !options.trunc;
      if (options.json === true) cli.print(JSON.stringify(lines, null, 2));
      else if (options.quiet === true)
        cli.print(
          lines.map(({ id }) => (id === '' ? MISSING : whole ? `sha256:${id}` : id.slice(0, 12))).join('\n'),
        );
      else cli.print(historyTable(lines, whole, cli.style()));
    },
  );
}
