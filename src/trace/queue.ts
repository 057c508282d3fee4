/**
 * Which runs are still to be sent to a collector. A run says in its first line whom its trace is for; beside its journal
 * lies what became of that (`R/journal/<run>/export.json`). Only what is over is sent, so a killed run waits for recovery.
 */
import { join } from 'node:path';
import type { Place } from '../daemon/place.ts';
import { readStory, runNames } from '../engine/journal.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { traceOf, type Trace } from './model.ts';

export interface Mark {
  readonly state: 'sent' | 'failed';
  readonly to: string;
  readonly attempts: number;
  readonly at: string;
  /** Why not, in words. */
  readonly error: string;
}

/** A collector that refuses a trace this often will not want it later either. */
const ATTEMPTS = 3;

/** How many runs one exporter sends at most: the newest. */
const AT_ONCE = 20;

const markPath = (place: Place, run: string): string => join(place.journal, run, 'export.json');

export function readMark(sys: Kernel, place: Place, run: string): Mark | undefined {
  const text = sys.readIfThere(markPath(place, run));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Mark;
  } catch {
    return undefined;
  }
}

export function writeMark(sys: Kernel, place: Place, run: string, to: string, error: string): void {
  const attempts = (readMark(sys, place, run)?.attempts ?? 0) + 1;
  const mark: Mark = {
    state: error === '' ? 'sent' : 'failed',
    to,
    attempts,
    at: new Date().toISOString(),
    error,
  };
  try {
    sys.replaceFileLoosely(markPath(place, run), `${JSON.stringify(mark)}\n`);
  } catch (catched) {
    // Old journals are pruned by any run that ends.
    if (!refusedWith(catched, 'ENOENT')) throw catched;
  }
}

export function readTrace(sys: Kernel, place: Place, run: string): Trace | undefined {
  return traceOf(readStory(sys, place.journal, run));
}

/** What this collector is to get and has not got, newest first. */
export function waitingFor(sys: Kernel, place: Place, collector: string): Trace[] {
  const waiting: Trace[] = [];
  for (const run of runNames(sys, place.journal).reverse()) {
    if (waiting.length >= AT_ONCE) break;
    const mark = readMark(sys, place, run);
    if (mark !== undefined && (mark.state === 'sent' || mark.attempts >= ATTEMPTS)) continue;
    const story = readStory(sys, place.journal, run);
    if (story.begin?.otlp !== collector || !story.begin.trace.sampled) continue;
    const trace = traceOf(story);
    if (trace?.over === true) waiting.push(trace);
  }
  return waiting;
}
