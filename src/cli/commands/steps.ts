import { Command } from 'commander';
import { describe } from '../../engine/run.ts';
import { runFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { stepsTable } from '../render/tables.ts';

/** `steps`: every step of a run, in order. */
export function stepsCommand(cli: Cli): Command {
  const command = new Command('steps')
    .summary('list the steps of a run, in order')
    .description('List every step of `ts-dock run`, in order.')
    .helpOption('--help', 'show this help');
  return addJsonFlag(command).action((options: { json?: boolean }) => {
    const infos = runFlow.map(describe);
    cli.print(options.json === true ? JSON.stringify(infos, null, 2) : stepsTable(infos, cli.style()));
  });
}
