import { Command } from 'commander';
import { listContainers } from '../../daemon/containers.ts';
import type { Container } from '../../daemon/model.ts';
import type { Cli } from '../cli.ts';
import * as value from '../option-values.ts';
import { addJsonFlag, all } from '../options.ts';
import { psFilter } from '../ps-filter.ts';
import { containersTable, statusOf } from '../render/tables.ts';

interface Options {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly latest?: boolean;
  readonly last?: string;
  readonly filter?: readonly string[];
  readonly trunc: boolean;
  readonly json?: boolean;
}

/** `ps [-a] [-f KEY=VALUE]`: the containers that run, or all, or those that fit. */
export function psCommand(cli: Cli): Command {
  const command = new Command('ps')
    .summary('list containers')
    .description('List the containers that run; with -a all.')
    .helpOption('--help', 'show this help')
    .option('-a, --all', 'those that do not run as well')
    .option(
      '-f, --filter <key=value>',
      'only those: status=, name=, id=, ancestor=, exited=, before=, since= (repeatable)',
      all,
    )
    .option('-l, --latest', 'only the one that was made last')
    .option('-n, --last <number>', 'only so many that were made last')
    .option('-q, --quiet', 'only their ids')
    .option('--no-trunc', 'do not shorten');
  return addJsonFlag(command).action(async (options: Options) => {
    const last =
      options.latest === true
        ? 1
        : options.last === undefined
          ? Infinity
          : value.wholeNumber('--last', options.last, 1);
    const filter = psFilter(options.filter ?? []);
    const shown = (await cli.rootIsTrue()) ? chosen(cli, options, filter, last) : [];
    if (options.json === true) cli.print(JSON.stringify(shown.map(described), null, 2));
    else if (options.quiet === true)
      cli.print(shown.map(({ ID }) => (options.trunc ? ID.slice(0, 12) : ID)).join('\n'));
    else cli.print(containersTable(shown, !options.trunc, cli.style()));
  });
}

function chosen(cli: Cli, options: Options, filter: ReturnType<typeof psFilter>, last: number): Container[] {
  const everything = options.all === true || last !== Infinity || filter.asksForAll;
  const containers = listContainers(cli.sys, cli.place, (text) => {
    cli.say(`ts-dock: ${text}`);
  }).map(({ container }) => container);
  const fits = filter.on(cli.sys, cli.place);
  return containers
    .filter((container) => (everything || container.State.Running) && fits(container))
    .sort((a, b) => (a.Created < b.Created ? 1 : -1))
    .slice(0, last);
}

function described({ ID, Name, Image, Path, Args, Created, State }: Container): object {
  return {
    ID,
    Name: Name.slice(1),
    Image,
    Command: [Path, ...Args],
    Created,
    State,
    Status: statusOf(State),
  };
}
