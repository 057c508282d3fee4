/**
 * A recording is one file of JSON lines. The first says what it is a recording of, the others tell the run in the order in
 * which it happened, the last says that nothing is missing. Each ends in a hash of itself and of the hash before it, so a
 * line that was changed, left out, added or moved is noticed at that line, and a file that was cut is whole up to the cut.
 * The hashes guard against accidents and careless edits, not against somebody who computes them anew: what is read is
 * checked as text of unknown origin all the same (see `shapes.ts`).
 */
import type { EngineEvent, ErrorText, StepInfo } from '../engine/frontend.ts';
import type { When } from '../engine/patterns.ts';
import { sha256 } from '../kernel/hash.ts';
import type { ObserverName } from '../observe/names.ts';
import type { Json } from '../observe/portable.ts';

/** Raised whenever an older ts-dock could not read what a newer one writes. */
export const FORMAT = 1;

/** No line is longer, no recording is bigger: neither is written, and neither is read. */
export const MOST_LINE = 2 * 1024 ** 2;
export const MOST_BYTES = 16 * 1024 ** 2;
/** How much of the program's output is taken down. */
export const MOST_OUTPUT = 1024 ** 2;

export type Stream = 'stdout' | 'stderr';

export interface Header {
  readonly k: 'recording';
  readonly format: number;
  /** Of the ts-dock that recorded. */
  readonly version: string;
  /** E.g. `Linux 6.1.0 x64`. */
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly when: string;
  /** The command line after `ts-dock`, without values of variables. */
  readonly words: readonly string[];
  /** Values of environment variables were asked for, so they are in here. */
  readonly showEnv: boolean;
  /** The streams of the program that were taken down; of the others nothing is known. */
  readonly output: readonly Stream[];
  readonly steps: readonly StepInfo[];
  /** What the run was given, as values are. */
  readonly initial: Readonly<Record<string, Json>>;
  /** What commands on cards are about, e.g. `ROOT`. */
  readonly known: Readonly<Record<string, string>>;
}

/** How a look differs from the last one of the same observer; `whole` where that would not tell the order. */
export type Delta =
  | { readonly whole: Readonly<Record<string, string>> }
  | { readonly set: Readonly<Record<string, string>>; readonly gone: readonly string[] };

export type Looks = Readonly<Partial<Record<ObserverName, Delta>>>;

/** Events that a recording has as they are. */
type Plain = 'step-begin' | 'warning' | 'step-failed' | 'undo-begin' | 'undone' | 'undo-end' | 'end';
type As<E> = E extends { event: infer Name } ? { readonly k: Name } & Omit<E, 'event'> : never;
type Of<Name extends EngineEvent['event']> = Extract<EngineEvent, { event: Name }>;

export type Line =
  | Header
  | As<Of<Plain>>
  | { readonly k: 'begin'; readonly run: string; readonly traceId: string }
  | (As<Omit<Of<'planned'>, 'drawn'>> & { readonly drawn: Json })
  | (As<Omit<Of<'step-end'>, 'given'>> & { readonly given: Readonly<Record<string, Json>> })
  /** What all observers saw; an observer that is not named saw what it saw the last time. `end`: after the undoing. */
  | { readonly k: 'look'; readonly number: number; readonly when: When | 'end'; readonly looks: Looks }
  /** `cut`: more was written than is taken down. */
  | { readonly k: 'output'; readonly stream: Stream; readonly text: string; readonly cut: boolean }
  /** What the user was told in the end. */
  | { readonly k: 'error'; readonly error: ErrorText }
  | { readonly k: 'closed' };

const DIGITS = 32;
const BEFORE = ',"hash":"';
const BEHIND = '"}';
const TAIL = BEFORE.length + DIGITS + BEHIND.length;

export interface Sealed {
  /** The line, its end included. */
  readonly text: string;
  readonly hash: string;
}

export function seal(previous: string, line: Line): Sealed {
  const content = JSON.stringify(line).slice(0, -1);
  const hash = hashOf(previous, Buffer.from(content));
  return { text: `${content}${BEFORE}${hash}${BEHIND}\n`, hash };
}

/** The hash of a line (without its end) that follows the line with the hash `previous`; undefined where it does not. */
export function unseal(previous: string, line: Buffer): string | undefined {
  const start = line.length - TAIL;
  if (start < 1) return undefined;
  const hash = hashOf(previous, line.subarray(0, start));
  return line.subarray(start).equals(Buffer.from(`${BEFORE}${hash}${BEHIND}`)) ? hash : undefined;
}

function hashOf(previous: string, content: Buffer): string {
  return sha256().update(previous).update(content).digest('hex').slice(0, DIGITS);
}
