/**
 * The end of a run whose ts-dock left: its monitor saw the container end, and has become the process that walks here, in
 * the same journal and under the same lock. It may not open the lock's file: the kernel would take the lock from it.
 */
import { readStored } from '../daemon/containers.ts';
import { endingThatWas } from '../daemon/ending.ts';
import { exitCodeOf } from '../daemon/exit-code.ts';
import { readEnd } from '../daemon/monitor-end.ts';
import type { Container, HostConfig } from '../daemon/model.ts';
import type { Place } from '../daemon/place.ts';
import { runtimeState } from '../daemon/processes.ts';
import type { EndedAt } from '../flows/values.ts';
import { now } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { TsDockError } from './failure.ts';
import type { FrontEnd } from './frontend.ts';
import { HostLedger } from './host-journal.ts';
import { Journal, readStory, type Story } from './journal.ts';
import { Breakpoints } from './pauses.ts';
import { owedAfter, pruneJournals } from './recovery.ts';
import { Run } from './run.ts';
import type { AnyStep } from './step.ts';

export interface Concluded {
  readonly container: Container;
  readonly hostConfig: HostConfig;
  /** The command that had begun the run: `run`, `start`, `restart`, `restart-policy`. */
  readonly command: string;
  readonly sampled: boolean;
  /** The collector that was asked for when the run began. */
  readonly otlp: string | undefined;
  /** Milliseconds that the program ran, as its State says. */
  readonly ran: number;
  readonly undoFailures: readonly string[];
}

const NOBODY: FrontEnd = {
  on: () => undefined,
  command: () => Promise.resolve({ command: 'continue' }),
  close: () => undefined,
};

export async function conclude(
  sys: Kernel,
  place: Place,
  id: string,
  steps: readonly AnyStep[],
): Promise<Concluded> {
  const story = readStory(sys, place.journal, id);
  const container = story.container ?? '';
  const subject = readStored(sys, place, container);
  const ended = readEnd(sys, place, container);
  const cgroupPaths = runtimeState(sys, place, container)?.cgroup_paths ?? {};
  if (story.begin === undefined || subject === undefined || ended === undefined) {
    throw new TsDockError(
      'no-such-container',
      `cannot conclude run ${id}: there is no container that has ended`,
      {
        means: 'Only the monitor of a container that has ended may ask for this.',
        remedy: '`ts-dock recover` undoes what a run left behind.',
      },
    );
  }
  const journal = Journal.reopen(sys, place.journal, story);
  const run = walkerOf(sys, place, story, journal, steps, { ...subject, ended, cgroupPaths });
  await run.walk(steps);
  const undoFailures = await run.undo('exit', owedAfter(true, story.begin.rm));
  journal.write({ k: 'end', at: now(), code: exitCodeOf(ended.ended) });
  if (undoFailures.length > 0) journal.leave();
  else journal.settle(run.owes(() => true) ? container : undefined);
  pruneJournals(sys, place);
  const State = run.values.recorded ?? subject.container.State;
  return {
    container: { ...subject.container, State },
    hostConfig: subject.hostConfig,
    command: story.begin.command,
    sampled: story.begin.trace.sampled,
    otlp: story.begin.otlp,
    ran: Date.parse(State.FinishedAt) - Date.parse(State.StartedAt),
    undoFailures,
  };
}

interface Found {
  readonly container: Container;
  readonly hostConfig: HostConfig;
  readonly ended: EndedAt;
  readonly cgroupPaths: Readonly<Record<string, string>>;
}

function walkerOf(
  sys: Kernel,
  place: Place,
  story: Story,
  journal: Journal,
  steps: readonly AnyStep[],
  { container, hostConfig, ...how }: Found,
): Run {
  const facts = {
    id: story.run,
    traceparent: '',
    gated: false,
    initSteps: [],
    supervised: true,
    attached: false,
    self: [],
    stdin: 'null',
  } as const;
  const settings = {
    sys,
    place,
    journal,
    host: new HostLedger(sys, place),
    facts,
    failpoints: [],
    breakpoints: new Breakpoints([], false, []),
    frontEnd: NOBODY,
    watcher: undefined,
    steps,
    earlier: { pending: story.pending, steps: story.steps },
  };
  const subject = { container, hostConfig };
  const { cgroupPaths } = how;
  const ending = endingThatWas(how.ended);
  return new Run(settings, { subject, running: container.State, cgroupPaths, ending });
}
