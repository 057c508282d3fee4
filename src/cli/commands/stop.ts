import { Command } from 'commander';
import { stopFlow } from '../../flows/stop.ts';
import type { Cli } from '../cli.ts';
import { addPatienceFlag, inTurn, patienceOf, type PatienceOption } from '../in-turn.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

/** `stop [-t SECONDS] CONTAINER...`: asks the program to end, kills it if it does not, and waits for the teardown. */
export function stopCommand(cli: Cli): Command {
  const command = new Command('stop')
    .summary('stop running containers')
    .description('Ask containers to end, kill them if they do not, and wait until all is taken down.')
    .helpOption('--help', 'show this help');
  addDebuggerFlags(addPatienceFlag(command));
  return command
    .argument('<container...>')
    .action(async (wanted: string[], options: DebuggerOptions & PatienceOption) => {
      const patience = patienceOf(options);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      const stop = (name: string): ReturnType<typeof walk> =>
        walk(cli, {
          command: 'stop',
          steps: stopFlow,
          initial: { wanted: name, patience },
          rm: false,
          interactive: false,
          watching,
          tracing,
        });
      await inTurn(cli, wanted, stop, ({ values }) => values.stopped !== undefined);
    });
}
