import { Command } from 'commander';
import { nextAttempt, type Attempt } from '../../daemon/restart-policy.ts';
import { conclude } from '../../engine/conclusion.ts';
import { concludeFlow, policyFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import { watchingOf } from '../options.ts';
import { afterRun, tracingOf, type Tracing } from '../tracing.ts';
import { walk } from '../walk.ts';

/** What the journal says of a run that a restart policy began; `restart` is a person's. */
const POLICY = 'restart-policy';

/** `supervise RUN`: what a monitor becomes when its container has ended. Not for people, so no help shows it. */
export function superviseCommand(cli: Cli): Command {
  return new Command('supervise').argument('<run>').action(async (run: string) => {
    cli.requireRoot();
    const ended = await conclude(cli.sys, cli.place, run, concludeFlow);
    const { container, command, otlp, sampled } = ended;
    const tracing = tracingOf(otlp === undefined ? {} : { otlp }, cli.surroundings.env);
    await afterRun(cli, tracing, { run, sampled });
    const first = nextAttempt({ ...ended, earlier: command === POLICY ? container.Attempt : undefined });
    // Who cannot be started is tried again, too: what it lacks may come back.
    for (
      let attempt = first;
      attempt !== undefined;
      attempt = await restart(cli, container.ID, attempt, tracing)
    );
  });
}

/** The next attempt where this one did not even come to a program; undefined when it did, or when nobody wants it any more. */
async function restart(
  cli: Cli,
  wanted: string,
  attempt: Attempt,
  tracing: Tracing,
): Promise<Attempt | undefined> {
  const { left, values } = await walk(cli, {
    command: POLICY,
    steps: policyFlow,
    initial: { wanted, attempt },
    rm: false,
    supervised: true,
    interactive: false,
    watching: watchingOf({}),
    tracing,
  });
  if (left || values.backedOff === undefined) return undefined;
  return { delay: attempt.delay * 2, failures: attempt.failures + 1 };
}
