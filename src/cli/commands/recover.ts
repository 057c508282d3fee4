import { Command } from 'commander';
import { compensationText } from '../../engine/compensation.ts';
import { planRecovery, recover } from '../../engine/recovery.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { exportLater, tracingOf } from '../tracing.ts';

/** `recover [--script]`: undoes what runs that were killed left behind. */
export function recoverCommand(cli: Cli): Command {
  const command = new Command('recover')
    .summary('undo what a killed ts-dock left behind')
    .description(
      'Undo, from their journals, what runs began whose ts-dock is dead. Runs that live are not touched.',
    )
    .helpOption('--help', 'show this help')
    .option('--script', 'only print what would be undone, in order');
  return addJsonFlag(command).action(async (options: { script?: boolean; json?: boolean }) => {
    cli.requireRoot();
    if (options.script === true) script(cli, options.json === true);
    else await act(cli, options.json === true);
  });
}

function script(cli: Cli, json: boolean): void {
  const plans = planRecovery(cli.sys, cli.place);
  if (json)
    cli.print(
      JSON.stringify(
        plans.map(({ run, pending }) => ({
          run,
          undo: pending.map(({ step, compensation }) => ({ step, ...compensation })),
        })),
        null,
        2,
      ),
    );
  else
    for (const { run, pending } of plans)
      cli.print(
        [
          `# run ${run}`,
          ...pending.map(({ step, compensation }) => `${compensationText(compensation)}  # ${step}`),
        ].join('\n'),
      );
}

async function act(cli: Cli, json: boolean): Promise<void> {
  const recovered = await recover(cli.sys, cli.place, ({ compensation, step, ok, error }) => {
    if (!json)
      cli.print(
        `${ok ? 'undone' : 'FAILED'}  ${compensationText(compensation)}  (${step})${ok ? '' : `: ${error}`}`,
      );
  });
  if (json) cli.print(JSON.stringify(recovered, null, 2));
  else
    cli.print(
      recovered.length === 0
        ? 'Nothing to recover.'
        : `Recovered ${recovered.length.toString()} ${recovered.length === 1 ? 'run' : 'runs'}.`,
    );
  sendWhatWasWaited(cli, recovered.length);
  if (recovered.some(({ failed }) => failed.length > 0)) cli.exitCode = 1;
}

/** A killed run could not send its own trace. */
function sendWhatWasWaited(cli: Cli, recovered: number): void {
  const { collector } = tracingOf({}, process.env);
  if (recovered > 0 && collector !== undefined) exportLater(cli, collector);
}
