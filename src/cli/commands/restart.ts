import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Outcome } from '../../engine/session.ts';
import { restartFlow } from '../../flows/restart.ts';
import type { Cli } from '../cli.ts';
import { addPatienceFlag, inTurn, patienceOf, type PatienceOption } from '../in-turn.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk, type Walk } from '../walk.ts';

/** `restart [-t SECONDS] CONTAINER...`: stops each, if it runs, and starts it again; leaves it running. */
export function restartCommand(cli: Cli): Command {
  const command = new Command('restart')
    .summary('stop containers and start them again')
    .description('Stop containers as `stop` does, if they run, and start them again.')
    .helpOption('--help', 'show this help');
  addDebuggerFlags(addPatienceFlag(command));
  return command
    .argument('<container...>')
    .action(async (wanted: string[], options: DebuggerOptions & PatienceOption) => {
      const patience = patienceOf(options);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      await inTurn(
        cli,
        wanted,
        (name) => restart(cli, name, { watching, tracing }, patience),
        ({ left }) => left,
      );
    });
}

async function restart(
  cli: Cli,
  name: string,
  how: Pick<Walk, 'watching' | 'tracing'>,
  patience: number,
): Promise<Outcome | undefined> {
  await cli.recoverFirst();
  try {
    refuseThoseThatGo(cli, name);
  } catch (error) {
    cli.showError(error);
    return undefined;
  }
  const outcome = await walk(cli, {
    ...how,
    command: 'restart',
    steps: restartFlow,
    initial: { wanted: name, patience },
    rm: false,
    supervised: true,
    interactive: false,
  });
  const { subject } = outcome.values;
  if (outcome.left && subject !== undefined) recordEvent(cli.place, 'restart', subjectOf(subject.container));
  return outcome;
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
