/**
 * Whether a container that has ended is started again, and how soon: Docker 1.2.0's rules (daemon/monitor.go). The delay
 * doubles with each run that lasted no more than ten seconds, without a ceiling.
 */
import type { Container, HostConfig, State } from './model.ts';

/** Milliseconds before the first restart are twice this, as in 1.2.0, which doubles before it waits. */
const FIRST_DELAY = 100;

/** A run of more milliseconds than this was a good one. */
const GOOD_RUN = 10_000;

export interface Attempt {
  /** Milliseconds to wait before it. */
  readonly delay: number;
  /** Runs in a row that ended with an error. */
  readonly failures: number;
}

export interface EndedRun {
  /** As it stands on disk after the end: its exit code, and whether somebody asked for the end. */
  readonly container: Container;
  readonly hostConfig: HostConfig;
  /** Milliseconds that it ran. */
  readonly ran: number;
  /** What led to this run, where it was a restart itself. */
  readonly earlier: Attempt | undefined;
}

/** The next attempt; undefined where it stays as it is. */
export function nextAttempt({ container, hostConfig, ran, earlier }: EndedRun): Attempt | undefined {
  const { ExitCode, StopRequested } = container.State;
  const { Name, MaximumRetryCount: most } = hostConfig.RestartPolicy;
  const failures = ExitCode === 0 ? 0 : (earlier?.failures ?? 0) + 1;
  const again =
    Name === 'always' || (Name === 'on-failure' && ExitCode !== 0 && (most === 0 || failures <= most));
  if (!again || StopRequested) return undefined;
  return { delay: ran > GOOD_RUN ? FIRST_DELAY : (earlier?.delay ?? FIRST_DELAY) * 2, failures };
}

/** The next attempt after one that did not come to a program: that is a failure like any other. */
export function nextAfterFailure(
  { RestartPolicy: { Name, MaximumRetryCount: most } }: HostConfig,
  { delay, failures: before }: Attempt,
): Attempt | undefined {
  const failures = before + 1;
  if (Name !== 'always' && (Name !== 'on-failure' || (most !== 0 && failures > most))) return undefined;
  return { delay: delay * 2, failures };
}

/** Milliseconds that a run lasted that is over. */
export const ranFor = ({ StartedAt, FinishedAt }: State): number =>
  Date.parse(FinishedAt) - Date.parse(StartedAt);
