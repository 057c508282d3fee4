/** What a check of `doctor` is: one question to this machine, and a verdict that says what was seen. */
import type { Place } from '../daemon/place.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** ok: as a run wants it. differs: a run goes, but not everywhere as elsewhere. missing: not there. unknown: could not be looked at. */
export type Condition = 'ok' | 'differs' | 'missing' | 'unknown';

export interface Verdict {
  readonly state: Condition;
  /** What the kernel said, a few words. */
  readonly seen: string;
  /** What that means for a run, a sentence; empty where all is well. */
  readonly means: string;
  /** What to do about it, a sentence; empty where nothing is to be done. */
  readonly remedy: string;
  /** For the one line of a bug report; empty: not worth a word there. */
  readonly brief: string;
}

export interface Scene {
  readonly sys: Kernel;
  readonly place: Place;
  /** Without the rights of root much can only be guessed, and is not. */
  readonly isRoot: boolean;
  /** Of ts-dock, for the summary. */
  readonly version: string;
}

export interface Check {
  readonly id: string;
  /** At most 22 characters. */
  readonly title: string;
  /** Without it no container can run. */
  readonly required?: true;
  /** Only root can look. */
  readonly needsRoot?: true;
  look(scene: Scene): Verdict | Promise<Verdict>;
}

type More = Partial<Pick<Verdict, 'means' | 'remedy' | 'brief'>>;

function verdict(state: Condition, seen: string, { means = '', remedy = '', brief = '' }: More): Verdict {
  return { state, seen, means, remedy, brief };
}

export const ok = (seen: string, more: More = {}): Verdict => verdict('ok', seen, more);
export const differs = (seen: string, more: More): Verdict => verdict('differs', seen, more);
export const missing = (seen: string, more: More): Verdict => verdict('missing', seen, more);
export const unknown = (seen: string, more: More = {}): Verdict => verdict('unknown', seen, more);
