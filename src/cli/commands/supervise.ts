import { Command } from 'commander';
import { nextAttempt, nextAfterFailure, ranFor, type Attempt } from '../../daemon/restart-policy.ts';
import { readStored } from '../../daemon/containers.ts';
import { conclude } from '../../engine/conclusion.ts';
import { parseFailpoint } from '../../engine/failpoints.ts';
import { rootCause, TsDockError } from '../../engine/failure.ts';
import { readStory } from '../../engine/journal.ts';
import { concludeFlow, policyFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import { watchingOf } from '../options.ts';
import { afterRun, tracingOf, type Tracing } from '../tracing.ts';
import { walk } from '../walk.ts';

/** What the journal says of a run that a restart policy began; `restart` is a person's. */
const POLICY = 'restart-policy';

/**
 * `supervise RUN`: what a monitor becomes when its container has ended. Not for people, so no help shows it. With --again
 * somebody was attached and has seen that end already: only the restart policy is left.
 *
 * It has no command line of a person's: failpoints of its steps come by TS_DOCK_FAIL, separated by commas.
 */
export function superviseCommand(cli: Cli): Command {
  return new Command('supervise')
    .argument('<run>')
    .option('--again')
    .action(async (run: string, options: { again?: boolean }) => {
      cli.requireRoot();
      const failing = failpointsOf(cli.surroundings.env['TS_DOCK_FAIL']);
      const { otlp } = readStory(cli.sys, cli.place.journal, run).begin ?? {};
      const tracing = tracingOf(otlp === undefined ? {} : { otlp }, cli.surroundings.env);
      const ended =
        options.again === true ? endedBefore(cli, run) : await concluded(cli, run, failing.conclude, tracing);
      if (ended === undefined) return;
      // Who cannot be started is tried again, too: what it lacks may come back.
      for (
        let attempt = ended.next;
        attempt !== undefined;
        attempt = await restart(cli, ended.container, attempt, tracing, failing.policy)
      );
    });
}

interface Next {
  readonly container: string;
  readonly next: Attempt | undefined;
}

async function concluded(cli: Cli, run: string, failing: readonly string[], tracing: Tracing): Promise<Next> {
  const failpoints = failing.map((text) =>
    parseFailpoint(
      text,
      concludeFlow.map(({ id }) => id),
    ),
  );
  const ended = await conclude(cli.sys, cli.place, run, concludeFlow, failpoints);
  const { container, command, sampled } = ended;
  await afterRun(cli, tracing, { run, sampled });
  const earlier = command === POLICY ? container.Attempt : undefined;
  return { container: container.ID, next: nextAttempt({ ...ended, earlier }) };
}

function endedBefore(cli: Cli, run: string): Next | undefined {
  const { container: id } = readStory(cli.sys, cli.place.journal, run);
  const stored = id === undefined ? undefined : readStored(cli.sys, cli.place, id);
  if (stored === undefined) return undefined;
  const { container } = stored;
  const next = nextAttempt({ ...stored, ran: ranFor(container.State), earlier: undefined });
  return { container: container.ID, next };
}

/** The next attempt where this one did not even come to a program; undefined when it did, or when nobody wants it any more. */
async function restart(
  cli: Cli,
  wanted: string,
  attempt: Attempt,
  tracing: Tracing,
  fail: readonly string[],
): Promise<Attempt | undefined> {
  const { left, values, error } = await walk(cli, {
    command: POLICY,
    steps: policyFlow,
    initial: { wanted, attempt },
    rm: false,
    supervised: true,
    interactive: false,
    watching: watchingOf({ fail }),
    tracing,
  });
  const cause = rootCause(error);
  const stopped = cause instanceof TsDockError && cause.reason === 'interrupted';
  if (left || stopped || values.backedOff === undefined) return undefined;
  const stored = readStored(cli.sys, cli.place, wanted);
  return stored === undefined ? undefined : nextAfterFailure(stored.hostConfig, attempt);
}

function failpointsOf(text: string | undefined): { readonly conclude: string[]; readonly policy: string[] } {
  const all = (text ?? '').split(',').filter((each) => each !== '');
  const ends = (each: string): boolean => each.startsWith('exit.');
  return { conclude: all.filter(ends), policy: all.filter((each) => !ends(each)) };
}
