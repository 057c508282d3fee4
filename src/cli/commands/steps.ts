import { Command } from 'commander';
import { describe } from '../../engine/run.ts';
import { TsDockError } from '../../engine/failure.ts';
import { FLOWS } from '../../flows/all.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { stepsTable } from '../render/tables.ts';

/** `steps [FLOW]`: every step of a run, or of another flow, in order. */
export function stepsCommand(cli: Cli): Command {
  const command = new Command('steps')
    .summary('list the steps of a run, in order')
    .description('List every step of `ts-dock run`, or of another flow, in order.')
    .helpOption('--help', 'show this help')
    .argument('[flow]', Object.keys(FLOWS).join(', '), 'run');
  return addJsonFlag(command).action((name: string, options: { json?: boolean }) => {
    const steps = Object.hasOwn(FLOWS, name) ? FLOWS[name] : undefined;
    if (steps === undefined)
      throw new TsDockError('bad-usage', `there is no flow ${JSON.stringify(name)}`, {
        remedy: `There are ${Object.keys(FLOWS).join(', ')}.`,
      });
    const infos = steps.map(describe);
    cli.print(options.json === true ? JSON.stringify(infos, null, 2) : stepsTable(infos, cli.style()));
  });
}
