import { Command } from 'commander';
import { unknownStep } from '../../engine/patterns.ts';
import { describe } from '../../engine/run.ts';
import { STAGES } from '../../engine/step.ts';
import { allSteps } from '../../flows/all.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { explanation } from '../render/explanation.ts';
import { cardOf } from '../render/cards-file.ts';

/** `explain STEP|STAGE`: the card, without running anything. Needs neither root nor Linux. */
export function explainCommand(cli: Cli): Command {
  const command = new Command('explain')
    .summary('explain a step or a stage')
    .description('Show the card of a step (start.mount-rootfs) or of a stage (init).')
    .helpOption('--help', 'show this help')
    .argument('<step>');
  return addJsonFlag(command).action((id: string, options: { json?: boolean }) => {
    const steps = allSteps();
    const info = steps.map(describe).find((one) => one.id === id);
    if (info === undefined && !(STAGES as readonly string[]).includes(id))
      throw unknownStep(id, id, [...steps.map((one) => one.id), ...STAGES]);
    const card = cardOf(id);
    if (options.json === true) cli.print(JSON.stringify({ ...(info ?? { id }), card }, null, 2));
    else cli.print(explanation(id, info, card, cli.style()));
  });
}
