/** From a checked command line to a walked flow: chooses the front end and the watcher, and words the outcome. */
import { parseFailpoint } from '../engine/failpoints.ts';
import { rootCause, TsDockError } from '../engine/failure.ts';
import { Breakpoints } from '../engine/pauses.ts';
import type { Watcher } from '../engine/run.ts';
import { walkFlow, type Outcome, type SessionSettings } from '../engine/session.ts';
import { KernelWatcher } from '../observe/watcher.ts';
import type { Cli } from './cli.ts';
import type { Watching } from './options.ts';
import { afterRun, type Tracing } from './tracing.ts';
import { beginRecording, type Recording } from './record.ts';
import { wordedError } from './render/errors.ts';
import { chooseFrontEnd } from './terminal/choose.ts';
import { PersonStreams, type StreamSettings } from './terminal/streams.ts';
import { VERSION } from './version.ts';

export interface Walk extends Pick<SessionSettings, 'command' | 'steps' | 'initial' | 'rm'> {
  /** The container's parent is a monitor; `streams` are the person's, without them nobody looks. */
  readonly supervised?: boolean;
  readonly streams?: StreamSettings | undefined;
  /** Standard input is the container's (`-i`). */
  readonly interactive: boolean;
  /** `-q`: nobody wants to see how far it is. */
  readonly quiet?: boolean;
  readonly watching: Watching;
  /** `--sig-proxy=false`: what ts-dock is sent stays with it. */
  readonly keepSignals?: boolean;
  readonly tracing: Tracing;
}

export async function walk(
  cli: Cli,
  { interactive, quiet, watching, streams, keepSignals, tracing, ...what }: Walk,
): Promise<Outcome> {
  const ids = what.steps.map(({ id }) => id);
  // Refused before anything begins: a misspelt breakpoint must not be found out at the end of a run.
  const breakpoints = new Breakpoints(watching.breakpoints, watching.step, ids);
  const failpoints = watching.failpoints.map((text) => parseFailpoint(text, ids));
  await cli.recoverFirst();
  const frontEnd = chooseFrontEnd(cli, watching, interactive, quiet !== true);
  let ran: Outcome | undefined;
  let recording: Recording | undefined;
  try {
    recording = beginRecording(cli, watching, what);
    const outcome = await walkFlow({
      ...what,
      sys: cli.sys,
      place: cli.place,
      version: VERSION,
      stdin: interactive ? 'terminal' : 'null',
      streams: streams === undefined ? undefined : new PersonStreams(cli, streams),
      self: cli.self,
      signals: keepSignals === true ? 'kept' : 'passed',
      failpoints,
      breakpoints,
      frontEnd: recording?.beside(frontEnd) ?? frontEnd,
      watcher: recording?.watcher ?? watcherFor(watching),
      listener: recording?.listener,
      otlp: tracing.collector?.name,
    });
    cli.exitCode = outcome.exitCode;
    const error = reported(outcome);
    recording?.close(error === undefined ? undefined : wordedError(error));
    report(cli, error, outcome);
    ran = outcome;
    return outcome;
  } finally {
    recording?.stop();
    frontEnd.close();
    // A container that was left is not over: its monitor's process sends the trace.
    if (ran?.left === false) await afterRun(cli, tracing, ran);
  }
}

function watcherFor({ stops, dump, showEnv }: Watching): Watcher | undefined {
  return stops || dump !== undefined ? new KernelWatcher({ dump, showEnv }) : undefined;
}

/** The error that the user is told of. */
function reported({ error }: Outcome): unknown {
  const cause = rootCause(error);
  return cause instanceof TsDockError && cause.reason === 'interrupted' ? undefined : error;
}

function report(cli: Cli, error: unknown, { undoFailures }: Outcome): void {
  if (error !== undefined) cli.showError(error);
  for (const failure of undoFailures)
    cli.say(`ts-dock: could not undo ${failure}. \`ts-dock recover\` tries again.`);
}
