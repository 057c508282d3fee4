import { Command } from 'commander';
import { describe } from '../../engine/run.ts';
import { TsDockError } from '../../engine/failure.ts';
import { FLOWS } from '../../flows/all.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { stepsTable } from '../render/tables.ts';

/** `steps [FLOW]`: every step of a run, or of another command, in order. */
export function stepsCommand(cli: Cli): Command {
  const command = new Command('steps')
    .summary('list the steps of a run, in order')
    .description('List every step of `ts-dock run`, or of another command, in order.')
    .helpOption('--help', 'show this help')
    .argument('[command]', 'run, create, start, exec or host', 'run');
  return addJsonFlag(command).action((of: string, options: { json?: boolean }) => {
    const flow = Object.entries(FLOWS).find(([name]) => name === of)?.[1];
    if (flow === undefined)
      throw new TsDockError('bad-usage', `there are no steps of ${JSON.stringify(of)}`, {
        remedy: `There are those of ${Object.keys(FLOWS).join(', ')}.`,
      });
    const infos = flow.map(describe);
    cli.print(options.json === true ? JSON.stringify(infos, null, 2) : stepsTable(infos, cli.style()));
  });
}
