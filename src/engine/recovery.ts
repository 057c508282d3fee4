/**
 * Recovery and removal: both undo from journals alone, in a process that did not write them. An open journal whose lock is
 * free belongs to a run that died; what it began is undone backwards, as its own undo would have done.
 */
import { join } from 'node:path';
import { TsDockError } from './failure.ts';
import { readStored } from '../daemon/containers.ts';
import { recordEvent, subjectOf, type Subject } from '../daemon/events.ts';
import { exitCodeOf } from '../daemon/exit-code.ts';
import { readEnd } from '../daemon/monitor-end.ts';
import type { Place } from '../daemon/place.ts';
import { runtimeState } from '../daemon/processes.ts';
import { bootId } from '../kernel/append.ts';
import { now } from '../kernel/calls.ts';
import { O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Compensation } from './compensation.ts';
import type { Undone } from './frontend.ts';
import {
  Journal,
  keptRuns,
  OUR_BYTE,
  openRuns,
  prune,
  readStory,
  unlinkIfThere,
  wasHandedOver,
  type Entry,
  type Pending,
  type Story,
} from './journal.ts';
import { unwind } from './undo.ts';

export interface Recovered {
  readonly run: string;
  readonly container: string | undefined;
  readonly undone: readonly Undone[];
  readonly failed: readonly Undone[];
}

/** Exit code of a run that was killed, as of a container that is found dead. */
export const UNSEEN = 255;

/**
 * What a run that is over may still undo: with a container that stays, only what is transient. What was to stay if the run
 * came to its end is owed no more from there on, so that where it is owed, the run did not.
 */
export function owedAfter(created: boolean, rm: boolean): (pending: Pending) => boolean {
  const stays = created && !rm;
  return ({ compensation: { lifetime } }) =>
    lifetime === 'transient' || lifetime === 'unless-finished' || (lifetime === 'with-container' && !stays);
}

/** Undoes every run whose supervisor is dead. Those that live are not touched. */
export async function recover(
  sys: Kernel,
  place: Place,
  say: (undone: Undone) => void = () => undefined,
): Promise<Recovered[]> {
  const recovered: Recovered[] = [];
  for (const run of openRuns(sys, place.journal)) {
    const lock = await lockOf(sys, place, run);
    if (lock === undefined) continue;
    try {
      const done = await recoverRun(sys, place, run, say);
      if (done !== undefined) recovered.push(done);
    } finally {
      sys.close(lock);
    }
  }
  return recovered;
}

/** How long a monitor may take to follow its ts-dock, in milliseconds. */
const MONITOR_PATIENCE = 2_000;

/** The lock of a run whose ts-dock is dead, and its monitor too, or the monitor did not have the container yet: then it is ending. */
async function lockOf(sys: Kernel, place: Place, run: string): Promise<number | undefined> {
  const path = join(place.journal, 'open', run);
  for (let waited = 0; ; waited += 5) {
    const lock = sys.lock(path, false);
    if (lock !== undefined) return lock;
    const ours = sys.lock(path, false, OUR_BYTE);
    if (ours === undefined) return undefined;
    if (waited >= MONITOR_PATIENCE) {
      // Its ts-dock was killed between handing it over and writing that down: nobody shall wait for this again.
      const journal = Journal.reopen(sys, place.journal, readStory(sys, place.journal, run));
      journal.note({ k: 'handed', at: now(), monitor: 0 });
      journal.leave();
      sys.close(ours);
      return undefined;
    }
    sys.close(ours);
    if (wasHandedOver(sys, place.journal, run)) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Undoes one run, if its supervisor is dead. Never for a run of this process: the look would give up its lock. */
export async function recoverOne(sys: Kernel, place: Place, run: string): Promise<Recovered | undefined> {
  const path = join(place.journal, 'open', run);
  if (!sys.exists(path)) return undefined;
  const lock = await lockOf(sys, place, run);
  if (lock === undefined) return undefined;
  try {
    return await recoverRun(sys, place, run, () => undefined);
  } finally {
    sys.close(lock);
  }
}

async function recoverRun(
  sys: Kernel,
  place: Place,
  run: string,
  say: (undone: Undone) => void,
): Promise<Recovered | undefined> {
  const story = readStory(sys, place.journal, run);
  const subject = subjectOfId(sys, place, story.container);
  if (story.begin === undefined) {
    // Killed before its first line, or another process recovered it between our look and our lock: nothing was begun.
    unlinkIfThere(sys, join(place.journal, 'open', run));
    return undefined;
  }
  const owed = story.pending.filter(owedAfter(story.created, story.begin.rm));
  const journal = Journal.reopen(sys, place.journal, story);
  const ended = endOf(sys, place, story);
  if (ended !== undefined && !story.entries.includes(ended)) journal.aside(ended);
  journal.recovered();
  const undone: Undone[] = [];
  const failed = await unwind({ sys, place, ended: false }, ofThisBoot(story, owed), journal, (one) => {
    undone.push(one);
    say(one);
  });
  const stays = story.created && !story.begin.rm && story.pending.length > owed.length;
  // Nobody saw how it ended. A run that had come to its end has said so itself.
  if (failed.length === 0 && !story.entries.some(({ k }) => k === 'end'))
    journal.note({ k: 'end', at: now(), code: ended === undefined ? UNSEEN : exitCodeOf(ended) });
  if (failed.length === 0) journal.settle(stays ? story.container : undefined);
  else journal.leave();
  if (subject !== undefined && story.created && story.begin.rm && failed.length === 0)
    recordEvent(place, 'destroy', subject);
  return { run, container: story.container, undone, failed };
}

/** How the container of a run ended: as the run has said itself, or as its monitor wrote down, which saw more. */
function endOf(sys: Kernel, place: Place, { container, entries }: Story): ProcessEnd | undefined {
  const told = entries.find((e) => e.k === 'process');
  if (told !== undefined) return told;
  // What a stop or an exec finds in that file is the end of another run.
  const launched = entries.some((e) => e.k === 'done' && e.step === 'launch.clone');
  const found = container === undefined || !launched ? undefined : readEnd(sys, place, container);
  if (container === undefined || found === undefined) return undefined;
  const { how, status, userTime, systemTime } = found.ended;
  const pid = runtimeState(sys, place, container)?.init_pid ?? 0;
  return { k: 'process', at: found.at, pid, how, status, cpu: (userTime + systemTime) * 1000, peak: 0 };
}

type ProcessEnd = Extract<Entry, { k: 'process' }>;

/** Whom an event is about: asked before the container goes. */
function subjectOfId(sys: Kernel, place: Place, id: string | undefined): Subject | undefined {
  try {
    const stored = id === undefined ? undefined : readStored(sys, place, id);
    return stored === undefined ? undefined : subjectOf(stored.container);
  } catch (error) {
    // A damaged file has no name to tell.
    if (error instanceof TsDockError) return { id: id ?? '', name: '', image: '' };
    throw error;
  }
}

/** Of another boot, only what lies on disk is left; and a process id of that boot may be anybody's now. */
function ofThisBoot(story: Story, pending: readonly Pending[]): readonly Pending[] {
  if (story.begin?.boot === bootId()) return pending;
  const onDisk: readonly Compensation['kind'][] = [
    'remove-tree',
    'remove-file',
    'release-lease',
    'release-name',
    'drop-image',
    'restore-tag',
    'settle-state',
    'user-data',
  ];
  return pending.filter(({ compensation }) => onDisk.includes(compensation.kind));
}

/** What recovery would undo, without doing it (`recover --script`). */
export function planRecovery(
  sys: Kernel,
  place: Place,
): { readonly run: string; readonly pending: readonly Pending[] }[] {
  return openRuns(sys, place.journal).flatMap((run) => {
    const lock = sys.lock(join(place.journal, 'open', run), false);
    if (lock === undefined) return [];
    sys.close(lock);
    const story = readStory(sys, place.journal, run);
    const owed = story.pending.filter(owedAfter(story.created, story.begin?.rm ?? false));
    return [{ run, pending: [...ofThisBoot(story, owed)].reverse() }];
  });
}

/** `rm`: undoes what goes with a container, newest first. Its state was checked by the caller. */
export async function removeWithContainer(
  sys: Kernel,
  place: Place,
  id: string,
  say: (undone: Undone) => void,
): Promise<Undone[]> {
  const lockPath = join(place.journal, 'rm.lock');
  const lock = sys.lock(lockPath, true);
  const failed: Undone[] = [];
  const subject = subjectOfId(sys, place, id);
  try {
    const runs = keptRuns(sys, place.journal, id);
    if (runs.length === 0)
      throw new TsDockError(
        'no-such-container',
        `cannot remove ${id.slice(0, 12)}: no journal says what belongs to it`,
      );
    for (const run of [...runs].reverse()) {
      const story = readStory(sys, place.journal, run);
      const journal = Journal.reopen(sys, place.journal, story);
      const pending = story.pending.filter(
        ({ compensation: { lifetime } }) => lifetime === 'with-container' || lifetime === 'transient',
      );
      failed.push(...(await unwind({ sys, place, ended: false }, ofThisBoot(story, pending), journal, say)));
      journal.leave();
    }
    if (failed.length === 0) {
      unlinkIfThere(sys, join(place.journal, 'kept', id));
      if (subject !== undefined) recordEvent(place, 'destroy', subject);
    }
  } finally {
    if (lock !== undefined) sys.close(lock);
  }
  return failed;
}

/** Keeps the journals from growing for ever. */
export function pruneJournals(sys: Kernel, place: Place): void {
  const top = sys.openat2(-100, place.journal, O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    prune(sys, place.journal, (name) => {
      sys.removeTree(top, name);
    });
  } finally {
    sys.close(top);
  }
}
