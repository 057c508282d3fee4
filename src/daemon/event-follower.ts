/** Follows `events.jsonl`, also across the moment when it is full and a new one begins. */
import { setTimeout as pause } from 'node:timers/promises';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { eventsFile, olderEventsFile, parseEvents, type ContainerEvent } from './events.ts';
import type { Place } from './place.ts';

interface Reading {
  /** Which file it was; 0 before there was one. */
  readonly file: number;
  /** Whole lines only: the last one may still be in the making. */
  readonly text: string;
}

/** Calls back for each new event until `over`. Those that stand there at the call are not new. */
export async function followEvents(
  sys: Kernel,
  place: Place,
  say: (event: ContainerEvent) => void,
  over: Promise<void>,
): Promise<void> {
  let wake: () => void = () => undefined;
  const state = { over: false };
  const watch = sys.changesIn(place.root, () => wake());
  void over.then(() => {
    state.over = true;
    wake();
  });
  try {
    let seen = read(sys, eventsFile(place));
    while (!state.over) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      seen = tellNew(sys, place, seen, say);
      await woken;
      // Steps write several files in a row: one look for all of them.
      await pause(1);
    }
    tellNew(sys, place, seen, say);
  } finally {
    watch.stop();
  }
}

function tellNew(sys: Kernel, place: Place, seen: Reading, say: (event: ContainerEvent) => void): Reading {
  const present = read(sys, eventsFile(place));
  const older = present.file === seen.file ? undefined : read(sys, olderEventsFile(place));
  const rest = older?.file === seen.file ? older.text.slice(seen.text.length) : '';
  const fresh = present.file === seen.file ? present.text.slice(seen.text.length) : present.text;
  for (const event of parseEvents(rest + fresh)) say(event);
  return present;
}

function read(sys: Kernel, path: string): Reading {
  const fileOf = (): number => {
    try {
      return sys.stat(path).ino;
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) return 0;
      throw error;
    }
  };
  for (;;) {
    const before = fileOf();
    const text = sys.readIfThere(path) ?? '';
    // Moved away between the two: what was read is another file's.
    if (fileOf() === before) return { file: before, text: text.slice(0, text.lastIndexOf('\n') + 1) };
  }
}
