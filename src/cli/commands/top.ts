import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import { runningTarget } from '../../daemon/exec-target.ts';
import { processesOf } from '../../daemon/top.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { processesTable } from '../render/tables.ts';

/** `top CONTAINER`: its processes, with their pids of the host. */
export function topCommand(cli: Cli): Command {
  const command = new Command('top')
    .summary('list the processes of a container')
    .description('List the processes of a container that runs, with their pids of the host.')
    .helpOption('--help', 'show this help')
    .argument('<container>');
  return addJsonFlag(command).action((wanted: string, options: { json?: boolean }) => {
    if (!cli.rootIsThere())
      throw new TsDockError('no-such-container', `cannot find container: No such container: ${wanted}`);
    const stored = findContainer(cli.sys, cli.place, wanted);
    const target = runningTarget(cli.sys, cli.place, stored, `cannot list the processes of ${wanted}`);
    const entries = processesOf(cli.sys, target);
    cli.print(
      options.json === true ? JSON.stringify(entries, null, 2) : processesTable(entries, cli.style()),
    );
  });
}
