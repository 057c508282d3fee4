import { Command } from 'commander';
import { listContainers } from '../../daemon/containers.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { containersTable } from '../render/tables.ts';

/** `ps [-a]`: the containers that run, or all. */
export function psCommand(cli: Cli): Command {
  const command = new Command('ps')
    .summary('list containers')
    .description('List the containers that run; with -a all.')
    .helpOption('--help', 'show this help')
    .option('-a, --all', 'those that do not run as well')
    .option('-q, --quiet', 'only their ids')
    .option('--no-trunc', 'do not shorten');
  return addJsonFlag(command).action(
    async (options: { all?: boolean; quiet?: boolean; trunc: boolean; json?: boolean }) => {
      if (!(await cli.rootIsTrue())) {
        cli.print(
          options.json === true
            ? '[]'
            : options.quiet === true
              ? ''
              : containersTable([], false, cli.style()),
        );
        return;
      }
      const all = listContainers(cli.sys, cli.place, (text) => {
        cli.say(`ts-dock: ${text}`);
      }).map(({ container }) => container);
      const shown = all
        .filter(({ State }) => options.all === true || State.Running)
        .sort((a, b) => (a.Created < b.Created ? 1 : -1));
      if (options.json === true)
        cli.print(
          JSON.stringify(
            shown.map(({ ID, Name, Image, Path, Args, Created, State }) => ({
              ID,
              Name: Name.slice(1),
              Image,
              Command: [Path, ...Args],
              Created,
              State,
            })),
            null,
            2,
          ),
        );
      else if (options.quiet === true)
        cli.print(shown.map(({ ID }) => (options.trunc ? ID.slice(0, 12) : ID)).join('\n'));
      else cli.print(containersTable(shown, !options.trunc, cli.style()));
    },
  );
}
