/**
 * One command that walks a flow, from its journal's first line to its last: recover what died, walk, pass signals on, undo
 * what the outcome says, and settle. The exit code is the container's, or Docker's for a failure of ours.
 */
import { constants } from 'node:os';
import { exitCodeOf } from '../daemon/exit-code.ts';
import { recordEvent, subjectOf } from '../daemon/events.ts';
import type { Place } from '../daemon/place.ts';
import type { Values } from '../flows/values.ts';
import { now, refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import type { Failpoint } from './failpoints.ts';
import { EXIT, rootCause, TsDockError } from './failure.ts';
import type { FrontEnd } from './frontend.ts';
import { HostLedger } from './host-journal.ts';
import { drawRunId, Journal, type TraceIds } from './journal.ts';
import type { Breakpoints } from './pauses.ts';
import { owedAfter, pruneJournals } from './recovery.ts';
import { isSampled } from '../trace/sampling.ts';
import { Run, type Streams, type Watcher } from './run.ts';
import type { AnyStep, OutputListener } from './step.ts';

export interface SessionSettings {
  readonly sys: Kernel;
  readonly place: Place;
  /** E.g. `run`. */
  readonly command: string;
  readonly version: string;
  readonly steps: readonly AnyStep[];
  readonly initial: Partial<Values>;
  /** The container goes with the run. */
  readonly rm: boolean;
  readonly stdin: 'terminal' | 'null';
  /** The container's parent is a monitor; `streams` are the person's, without them nobody looks. */
  readonly supervised?: boolean;
  readonly streams?: Streams | undefined;
  readonly self: readonly string[];
  /** Signals to ts-dock go on to the program (`--sig-proxy`). */
  readonly signals: 'passed' | 'kept';
  readonly failpoints: readonly Failpoint[];
  readonly breakpoints: Breakpoints;
  readonly frontEnd: FrontEnd;
  readonly watcher: Watcher | undefined;
  /** The collector that the trace is for, as it may be written down. */
  readonly otlp?: string | undefined;
  readonly listener?: OutputListener | undefined;
}

export interface Outcome {
  readonly run: string;
  /** Its trace may be sent to a collector. */
  readonly sampled: boolean;
  readonly exitCode: number;
  /** What stopped the run, undefined when it went to its end. */
  readonly error: unknown;
  readonly undoFailures: readonly string[];
  /** The container runs on without this process. */
  readonly left: boolean;
  /** Somebody asked for the end of the program by a signal to this process. */
  readonly endWanted: boolean;
  readonly values: Partial<Values>;
}

/** W3C trace context: the caller's, or a new trace. Drawn before anything else, so that a crash has it too. */
export function drawTrace(
  traceparent: string | undefined,
  env: Readonly<Record<string, string | undefined>> = {},
): TraceIds {
  const [, caller, parent, flags] =
    /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '') ?? [];
  const spanId = randomHex(8);
  const processSpanId = randomHex(8);
  if (caller === undefined || parent === undefined || /^0+$/.test(caller) || /^0+$/.test(parent)) {
    const traceId = randomHex(16);
    return { traceId, spanId, parent: '', sampled: isSampled(env, traceId, undefined), processSpanId };
  }
  const wished = (Number.parseInt(flags ?? '01', 16) & 1) === 1;
  return { traceId: caller, spanId, parent, sampled: isSampled(env, caller, wished), processSpanId };
}

export async function walkFlow(settings: SessionSettings): Promise<Outcome> {
  const { sys, place, steps, breakpoints, failpoints, watcher, frontEnd } = settings;
  const trace = drawTrace(process.env.TRACEPARENT, process.env);
  const id = drawRunId(randomHex(4));
  const journal = Journal.begin(sys, place.journal, {
    run: id,
    command: settings.command,
    trace,
    rm: settings.rm,
    version: settings.version,
    ...(settings.otlp === undefined ? {} : { otlp: settings.otlp }),
  });
  const initSteps = steps.filter(({ actor }) => actor === 'dockerinit').map((step) => step.id);
  const gated =
    breakpoints.armed ||
    watcher !== undefined ||
    failpoints.some(({ pattern }) => initSteps.some(pattern.matches));
  const traceparent = `00-${trace.traceId}-${trace.processSpanId}-${trace.sampled ? '01' : '00'}`;
  const { stdin, streams, self, listener, supervised = false } = settings;
  const attached = !supervised || streams !== undefined;
  const size = streams?.size();
  const ears = { ...(listener === undefined ? {} : { listener }), ...(size === undefined ? {} : { size }) };
  const facts = { id, traceparent, gated, initSteps, stdin, supervised, attached, self, ...ears };
  const host = new HostLedger(sys, place);
  const run = new Run(
    { sys, place, journal, host, facts, failpoints, breakpoints, frontEnd, watcher, steps, streams },
    settings.initial,
  );
  const stopListening = passSignals(run, settings.signals === 'passed');
  run.emit({ event: 'begin', run: id, steps: run.infos, traceId: trace.traceId });
  try {
    const error = await attempt(async () => {
      await run.walk(steps);
      run.finish();
    });
    const finished = await finish(run, settings, journal, error);
    return { run: id, sampled: trace.sampled, endWanted: run.endWanted, ...finished };
  } finally {
    stopListening();
  }
}

async function attempt(act: () => Promise<void>): Promise<unknown> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error ?? new Error('something threw nothing');
  }
}

type Finished = Omit<Outcome, 'run' | 'sampled' | 'endWanted'>;

async function finish(
  run: Run,
  settings: SessionSettings,
  journal: Journal,
  error: unknown,
): Promise<Finished> {
  const cause = rootCause(error);
  if (isLeft(run, cause)) return leave(run, settings, journal);
  const quit = cause instanceof TsDockError && cause.reason === 'quit';
  const created =
    run.values.registered !== undefined ||
    (run.values.subject !== undefined && run.values.identity === undefined);
  const made = run.values.identity !== undefined;
  // A run that has a handshake left would keep the event loop, and dockerinit, waiting.
  run.values.handshake?.close();
  run.values.attachment?.close();
  run.values.archive?.members.close();
  const which = owedAfter(created && !(quit && made), settings.rm);
  const over = run.values.ended === undefined ? 'over' : 'exit';
  const why = error === undefined ? over : quit ? 'quit' : 'failure';
  // It waits for this word: the teardown is ours, and not its own.
  if (run.values.ended !== undefined) await run.values.monitor?.dismiss();
  const { subject, container } = run.values;
  const undoFailures = await run.undo(why, which);
  run.values.monitor?.close();
  const whole = subject?.container ?? container;
  const goes = created && (settings.rm || (quit && made));
  if (goes && whole !== undefined && undoFailures.length === 0)
    recordEvent(settings.place, 'destroy', subjectOf(whole));
  const code = exitCode(run, error, cause, quit);
  journal.note({ k: 'end', at: now(), code });
  if (undoFailures.length > 0) journal.leave();
  else
    journal.settle(
      run.owes(() => true) ? (run.values.identity?.id ?? run.values.subject?.container.ID) : undefined,
    );
  pruneJournals(settings.sys, settings.place);
  run.emit({ event: 'end', exitCode: code });
  return { exitCode: code, error: quit ? undefined : error, undoFailures, left: false, values: run.values };
}

/** The program runs, its monitor has it, and it has not ended. */
function isLeft(run: Run, cause: unknown): boolean {
  const { monitor, running, ended } = run.values;
  if (monitor === undefined || monitor === null || running === undefined || ended !== undefined) return false;
  return cause === undefined || (cause instanceof TsDockError && cause.reason === 'detached');
}

/** Nothing is undone: what is owed stands in the journal, and the monitor's teardown goes on with it. */
function leave(run: Run, settings: SessionSettings, journal: Journal): Finished {
  const { monitor, attachment, subject } = run.values;
  if (attachment !== null && attachment !== undefined && subject !== undefined)
    recordEvent(settings.place, 'detach', subjectOf(subject.container));
  journal.note({ k: 'handed', at: now(), monitor: monitor?.pid ?? 0 });
  journal.leave();
  attachment?.close();
  monitor?.close();
  run.emit({ event: 'end', exitCode: EXIT.ok });
  return { exitCode: EXIT.ok, error: undefined, undoFailures: [], left: true, values: run.values };
}

function exitCode(run: Run, error: unknown, cause: unknown, quit: boolean): number {
  if (quit) return EXIT.ok;
  if (run.interrupted !== null && error !== undefined) return 128 + constants.signals[run.interrupted];
  if (cause instanceof TsDockError) return cause.exitCode;
  if (error !== undefined) return EXIT.tsdock;
  return run.values.ended === undefined ? EXIT.ok : exitCodeOf(run.values.ended);
}

const PASSED: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
];
const ASKS_FOR_THE_END: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * While the program runs, signals are its own. The kernel drops those that pid 1 has no handler for, so, as with Docker's
 * client, whoever asks for the third time gets SIGKILL. Before the program runs they stop the run between two steps.
 * Kept signals do nothing while it runs: ts-dock has to outlive it, and `ts-dock stop` ends it.
 */
function passSignals(run: Run, passed: boolean): () => void {
  let asked = 0;
  const handlers = PASSED.map((signal) => {
    const handler = (): void => {
      const { child, execd, ended, attachment } = run.values;
      // The person's terminal is gone, and the container has one of its own: it goes on.
      if (signal === 'SIGHUP' && attachment !== undefined && attachment !== null) {
        attachment.detach();
        return;
      }
      const ending = ASKS_FOR_THE_END.includes(signal);
      if (child === undefined || execd === undefined || ended !== undefined) {
        if (ending) run.interruptBy(signal);
        return;
      }
      if (!passed) return;
      if (ending) asked += 1;
      if (signal === 'SIGINT' || signal === 'SIGTERM' || asked >= 3) run.endWanted = true;
      const number = asked >= 3 && ending ? constants.signals.SIGKILL : constants.signals[signal];
      try {
        run.settings.sys.pidfdSend(child.pidfd, number);
      } catch (error) {
        if (!refusedWith(error, 'ESRCH', 'EBADF')) throw error;
      }
    };
    process.on(signal, handler);
    return { signal, handler };
  });
  return () => {
    for (const { signal, handler } of handlers) process.off(signal, handler);
  };
}
