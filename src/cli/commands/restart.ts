import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { EXIT, rootCause, TsDockError } from '../../engine/failure.ts';
import { restartFlow } from '../../flows/restart.ts';
import type { Cli } from '../cli.ts';
import * as value from '../option-values.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk, type Walk } from '../walk.ts';
import { PATIENCE } from './stop.ts';

/** `restart [-t SECONDS] CONTAINER...`: stops each, if it runs, and starts it again; leaves it running. */
export function restartCommand(cli: Cli): Command {
  const command = new Command('restart')
    .summary('stop containers and start them again')
    .description('Stop containers as `stop` does, if they run, and start them again.')
    .helpOption('--help', 'show this help')
    .option('-t, --time <seconds>', 'how long they may take to end; -1 for as long as they want (10)');
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
        const outcome = await restart(cli, name, { watching, tracing }, patience);
        if (outcome === 'left') return;
        if (outcome === 'restarted') cli.print(name);
        else failed = true;
      }
      cli.exitCode = failed ? EXIT.failed : EXIT.ok;
    });
}

/** `left`: whoever wants to leave does not want the next one either. */
async function restart(
  cli: Cli,
  name: string,
  how: Pick<Walk, 'watching' | 'tracing'>,
  patience: number,
): Promise<'restarted' | 'failed' | 'left'> {
  await cli.recoverFirst();
  try {
    refuseThoseThatGo(cli, name);
  } catch (error) {
    cli.showError(error);
    return 'failed';
  }
  const { error, exitCode, left, values } = await walk(cli, {
    ...how,
    command: 'restart',
    steps: restartFlow,
    initial: { wanted: name, patience },
    rm: false,
    supervised: true,
    interactive: false,
  });
  if (left && values.subject !== undefined)
    recordEvent(cli.place, 'restart', subjectOf(values.subject.container));
  if (left) return 'restarted';
  const cause = rootCause(error);
  const away = error === undefined || (cause instanceof TsDockError && cause.reason === 'interrupted');
  if (away) cli.exitCode = exitCode;
  return away ? 'left' : 'failed';
}

/** Stopped, it would be gone, and its files with it: nothing could be started again. */
function refuseThoseThatGo(cli: Cli, name: string): void {
  const { hostConfig } = findContainer(cli.sys, cli.place, name);
  if (!hostConfig.AutoRemove) return;
  throw new TsDockError('bad-usage', `cannot restart ${name}: it was made with --rm`, {
    means: 'Such a container is removed when it ends, so there would be nothing left to start.',
    remedy: `\`ts-dock stop ${name}\` ends it; run a new one.`,
  });
}
