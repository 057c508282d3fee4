/**
 * Who has a container, seen from outside: from its start until its teardown is over a run has it, and that run's lock is
 * held by a ts-dock in the foreground or by a monitor. Commands that end a container leave the teardown to it and wait.
 */
import { join } from 'node:path';
import type { Watch } from '../kernel/binding.ts';
import { refusedWith } from '../kernel/calls.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { changeContainer, startedBy } from './containers.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';
import { holdProcess } from './processes.ts';
import { TsDockError } from '../engine/failure.ts';
import { readStory } from '../engine/journal.ts';
import { recoverOne } from '../engine/recovery.ts';

/**
 * `idle`: nobody has it. `starting`: a run has it and its program does not run yet; `restarting`: the same, by its restart
 * policy, which waits first. `ending`: the program has ended and its run takes down what it began.
 */
export type Phase = 'idle' | 'starting' | 'restarting' | 'running' | 'ending';

export interface Supervised {
  readonly phase: Phase;
  /** Empty where nobody has it. */
  readonly run: string;
}

export function supervisedBy(sys: Kernel, place: Place, { ID, State }: Container): Supervised {
  const run = startedBy(sys, place, ID);
  // Without a run, only the kernel can say: a file that says so may be older than the last power cut.
  if (run === undefined)
    return { phase: State.Running && lives(sys, place, ID) ? 'running' : 'idle', run: '' };
  if (State.Running) return { phase: 'running', run };
  if (State.Restarting) return { phase: 'restarting', run };
  // Its own run wrote when the program began: a time before that run is of an earlier start.
  const began = readStory(sys, place.journal, run).begin?.wall ?? Infinity;
  return { phase: Date.parse(State.StartedAt) >= began ? 'ending' : 'starting', run };
}

function lives(sys: Kernel, place: Place, id: string): boolean {
  const held = holdProcess(sys, place, id);
  if (held !== undefined) sys.close(held.pidfd);
  return held !== undefined;
}

/** Waits for what the watches report; `look` is asked after each. False where `over` came first. */
async function until(
  watches: (wake: () => void) => readonly Watch[],
  look: () => boolean,
  over: Promise<void>,
): Promise<boolean> {
  let wake: () => void = () => undefined;
  const held = watches(() => wake());
  try {
    const cut = over.then(() => true);
    for (;;) {
      const woken = new Promise<false>((resolve) => {
        wake = () => resolve(false);
      });
      if (look()) return true;
      if (await Promise.race([woken, cut])) return look();
    }
  } finally {
    for (const watch of held) watch.stop();
  }
}

/** Whether a process ended before `over` came. */
export async function endedBefore(sys: Kernel, pidfd: number, over: Promise<void>): Promise<boolean> {
  let ended = false;
  const watches = (wake: () => void): Watch[] => [
    sys.watch(pidfd, POLL.IN, () => {
      ended = true;
      wake();
    }),
  ];
  return until(watches, () => ended, over);
}

/** Resolves after so many seconds; never for -1. The timer must be stopped. */
export function alarm(seconds: number): { readonly rings: Promise<void>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const rings = new Promise<void>((resolve) => {
    if (seconds >= 0) timer = setTimeout(resolve, seconds * 1000);
  });
  return { rings, stop: () => clearTimeout(timer) };
}

const NEVER_OVER = new Promise<void>(() => undefined);

/**
 * Waits until a run has undone and settled all that it began. Where its supervisor dies before, its work is done here, as
 * any next command would. False where `over` came first.
 */
export async function teardownOver(
  sys: Kernel,
  place: Place,
  run: string,
  over: Promise<void> = NEVER_OVER,
): Promise<boolean> {
  if (run === '') return true;
  const folder = join(place.journal, 'open');
  const path = join(folder, run);
  for (;;) {
    const holder = holderOf(sys, path);
    if (holder === 'gone') return true;
    if (holder === 0) {
      const recovered = await recoverOne(sys, place, run);
      // What could not be undone stays open, for `recover`.
      if (recovered !== undefined) return true;
    }
    let pidfd = -1;
    try {
      pidfd = holder === 0 ? -1 : sys.pidfdOpen(holder);
    } catch (error) {
      if (!refusedWith(error, 'ESRCH')) throw error;
    }
    try {
      const watches = (wake: () => void): Watch[] => [
        sys.changesIn(folder, wake),
        ...(pidfd < 0 ? [] : [sys.watch(pidfd, POLL.IN, wake)]),
      ];
      // Somebody else may hold it by now: a recovery, or a monitor that took it over.
      const moved = await until(watches, () => holderOf(sys, path) !== holder, over);
      if (!moved) return false;
    } finally {
      if (pidfd >= 0) sys.close(pidfd);
    }
  }
}

/** The pid that holds a run's lock, 0 where nobody does. */
function holderOf(sys: Kernel, path: string): number | 'gone' {
  try {
    return sys.lockHolder(path);
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return 'gone';
    throw error;
  }
}

/**
 * Written down before any signal goes out: a restart policy must not take the end for an accident. It looks again, under
 * the same lock, before it waits and before it says that the program runs.
 */
export function requestStop(sys: Kernel, place: Place, id: string): void {
  changeContainer(sys, place, id, (container) =>
    container.State.StopRequested
      ? container
      : { ...container, State: { ...container.State, StopRequested: true } },
  );
}

export function stoppedMeanwhile(id: string): TsDockError {
  return new TsDockError('interrupted', `${id.slice(0, 12)} is not started again: somebody stopped it`);
}
