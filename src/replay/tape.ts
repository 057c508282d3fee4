/** A recording by its places: where one can stand still, and what was known, seen and owed there. */
import type { Compensation } from '../engine/compensation.ts';
import type { StepInfo } from '../engine/frontend.ts';
import type { When } from '../engine/patterns.ts';
import type { LastStep } from '../engine/run.ts';
import type { Observation, ObserverName } from '../observe/names.ts';
import { applied } from './delta.ts';
import type { Header } from './format.ts';
import type { Entry, Recording } from './read.ts';

export interface Stop {
  /** `over`: all entries are behind it. */
  readonly kind: When | 'over';
  readonly step: StepInfo;
  readonly number: number;
  readonly of: number;
  /** The entry that is the last before the stop; -1: none. */
  readonly index: number;
  /** The entry at which the step's card is drawn, on the way to this stop. */
  readonly card: number;
}

type Lines = Readonly<Record<string, string>>;
type Look = Extract<Entry, { k: 'look' }>;

export class Tape {
  readonly header: Header;
  readonly entries: readonly Entry[];
  /** In order; the last one is `over`. */
  readonly stops: readonly Stop[];

  constructor({ header, entries }: Recording) {
    this.header = header;
    this.entries = entries;
    this.stops = stopsIn(header, entries);
  }

  /** The run's values, as far as they were given at this entry. */
  valuesAt(index: number): Record<string, unknown> {
    const values: Record<string, unknown> = { ...this.header.initial };
    for (const entry of this.until(index)) if (entry.k === 'step-end') Object.assign(values, entry.given);
    return values;
  }

  /** The step that ran most recently. */
  lastAt(index: number): LastStep | null {
    const last = this.until(index).findLast((entry) => entry.k === 'step-end');
    return last === undefined
      ? null
      : { id: last.step, calls: last.calls, more: last.more, changes: last.changes };
  }

  /** What would be undone if the step at this entry were begun. */
  undoAt(index: number): readonly Compensation[] {
    const entry = this.entries[index];
    return entry?.k === 'planned' ? entry.undo : [];
  }

  /** What all observers saw at a stop. */
  observationsAt(stop: Stop): ReadonlyMap<ObserverName, Lines> {
    const wanted = this.lookFor(stop);
    const seen = new Map<ObserverName, Lines>();
    if (wanted === undefined) return seen;
    for (const entry of this.entries) {
      if (entry.k === 'look') advance(seen, entry);
      if (entry === wanted) break;
    }
    return seen;
  }

  /** The look before a step is taken when the pause before it is over: in the file it stands behind the stop. */
  private lookFor({ kind, number, index }: Stop): Look | undefined {
    const looks = this.entries.filter((entry) => entry.k === 'look');
    const own = looks.find((look) => look.number === number && look.when === kind);
    return own ?? this.until(kind === 'over' ? Infinity : index).findLast((entry) => entry.k === 'look');
  }

  private until(index: number): readonly Entry[] {
    return this.entries.slice(0, index + 1);
  }
}

/** Takes one more look into what was seen so far; what is new in it. */
export function advance(seen: Map<ObserverName, Lines>, { looks }: Look): readonly Observation[] {
  return Object.entries(looks).map(([name, delta]) => {
    const observer = name as ObserverName;
    const old = seen.get(observer) ?? {};
    const fresh = applied(old, delta);
    seen.set(observer, fresh);
    const lines = Object.fromEntries(Object.entries(fresh).filter(([key, text]) => old[key] !== text));
    return { observer, lines };
  });
}

function stopsIn(header: Header, entries: readonly Entry[]): Stop[] {
  const infos = new Map(header.steps.map((info) => [info.id, info]));
  const stops: Stop[] = [];
  let [step] = header.steps;
  let [number, of, card] = [0, header.steps.length, -1];
  for (const [index, entry] of entries.entries()) {
    if (entry.k === 'step-begin') {
      step = infos.get(entry.step);
      ({ number, of } = entry);
      card = index;
    } else if (entry.k === 'planned') card = index;
    if (step === undefined) continue;
    if (entry.k === 'planned') stops.push({ kind: 'before', step, number, of, index, card });
    else if (entry.k === 'step-end') stops.push({ kind: 'after', step, number, of, index, card });
  }
  if (step !== undefined) stops.push({ kind: 'over', step, number, of, index: entries.length - 1, card });
  return stops;
}
