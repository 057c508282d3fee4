import { Command } from 'commander';
import { EXIT, rootCause, TsDockError } from '../../engine/failure.ts';
import { stopFlow } from '../../flows/stop.ts';
import type { Cli } from '../cli.ts';
import * as value from '../option-values.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

/** Docker's: seconds between asking and killing. */
export const PATIENCE = 10;

/** `stop [-t SECONDS] CONTAINER...`: asks the program to end, kills it if it does not, and waits for the teardown. */
export function stopCommand(cli: Cli): Command {
  const command = new Command('stop')
    .summary('stop running containers')
    .description('Ask containers to end, kill them if they do not, and wait until all is taken down.')
    .helpOption('--help', 'show this help')
    .option('-t, --time <seconds>', 'how long they may take; -1 for as long as they want (10)');
  addDebuggerFlags(command);
  return command
    .argument('<container...>')
    .action(async (wanted: string[], options: DebuggerOptions & { time?: string }) => {
      const patience =
        options.time === undefined ? PATIENCE : value.wholeNumber('--time', options.time, -1, 2_000_000);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      let failed = false;
      for (const name of wanted) {
        const { error, exitCode } = await walk(cli, {
          command: 'stop',
          steps: stopFlow,
          initial: { wanted: name, patience },
          rm: false,
          interactive: false,
          watching,
          tracing,
        });
        // Whoever wants to leave does not want the next one either.
        const cause = rootCause(error);
        if (cause instanceof TsDockError && cause.reason === 'interrupted') {
          cli.exitCode = exitCode;
          return;
        }
        if (error === undefined) cli.print(name);
        else failed = true;
      }
      cli.exitCode = failed ? EXIT.failed : EXIT.ok;
    });
}
