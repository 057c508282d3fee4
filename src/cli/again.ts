/**
 * A restart policy where somebody was attached until the end: ts-dock saw that end itself, so no monitor is left to become
 * the next supervisor. A process of its own starts the container again, as with `-d`; the command comes back with the
 * first exit code, as Docker's does.
 */
import { passedOn } from '../daemon/passed-on.ts';
import { nextAttempt, ranFor } from '../daemon/restart-policy.ts';
import type { Outcome } from '../engine/session.ts';
import { startDetached } from '../kernel/detached.ts';
import type { Cli } from './cli.ts';

export function startAgain(cli: Cli, { run, left, error, endWanted, values }: Outcome): void {
  const { subject, recorded } = values;
  if (left || endWanted || error !== undefined || subject === undefined || recorded === undefined) return;
  const { hostConfig } = subject;
  const container = { ...subject.container, State: recorded };
  if (nextAttempt({ container, hostConfig, ran: ranFor(recorded), earlier: undefined }) === undefined) return;
  const name = container.Name.slice(1);
  cli.say(
    `ts-dock: ${name} is started again (--restart ${hostConfig.RestartPolicy.Name}), without you: \`ts-dock logs -f ${name}\` shows what it says, \`ts-dock stop ${name}\` ends it`,
  );
  const [, script = '', ...root] = cli.self;
  startDetached(cli.sys, {
    script,
    args: [...root, 'supervise', '--again', run],
    env: passedOn(cli.surroundings.env),
    priority: 'ours',
  });
}
