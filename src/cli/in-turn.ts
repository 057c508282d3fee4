/** What `stop` and `restart` share: how long a container may take to end, and several containers one after the other. */
import type { Command } from 'commander';
import { EXIT, rootCause, TsDockError } from '../engine/failure.ts';
import type { Outcome } from '../engine/session.ts';
import type { Cli } from './cli.ts';
import * as value from './option-values.ts';

/** Docker's: seconds between asking and killing. */
const PATIENCE = 10;

export interface PatienceOption {
  readonly time?: string;
}

export function addPatienceFlag(command: Command): Command {
  return command.option(
    '-t, --time <seconds>',
    `how long they may take to end; -1 for as long as they want (${PATIENCE})`,
  );
}

/** Seconds; -1: as long as it takes. */
export function patienceOf({ time }: PatienceOption): number {
  return time === undefined ? PATIENCE : value.wholeNumber('--time', time, -1, 2_000_000);
}

/**
 * The names of those that succeeded are printed; one that fails does not keep the next from its turn.
 *
 * @param act - undefined: it failed, and has said so
 */
export async function inTurn(
  cli: Cli,
  wanted: readonly string[],
  act: (name: string) => Promise<Outcome | undefined>,
  succeeded: (outcome: Outcome) => boolean,
): Promise<void> {
  let failed = false;
  for (const name of wanted) {
    const outcome = await act(name);
    // What its steps have given is no success yet: the last may have failed after it acted.
    if (outcome === undefined) failed = true;
    else if (outcome.error === undefined && succeeded(outcome)) cli.print(name);
    else if (wantsToLeave(outcome)) {
      cli.exitCode = outcome.exitCode;
      return;
    } else failed = true;
  }
  cli.exitCode = failed ? EXIT.failed : EXIT.ok;
}

/** By a signal, or by `quit`: whoever wants to leave does not want the next one either. */
function wantsToLeave({ error }: Outcome): boolean {
  const cause = rootCause(error);
  return error === undefined || (cause instanceof TsDockError && cause.reason === 'interrupted');
}
