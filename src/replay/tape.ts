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

/** What was seen so far, changed in place: a recording may have ten thousand looks at ten thousand lines. */
export type Seen = Map<ObserverName, Map<string, string>>;

type Look = Extract<Entry, { k: 'look' }>;

/** What, and in which words: for the search. */
export type Said = readonly [what: string, text: string];

/** More lines than any kernel has to say, and no more than can be drawn. */
const MOST_LINES = 20_000;

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

  /** What an observer saw at a stop. */
  observationAt(stop: Stop, observer: ObserverName): Observation {
    const wanted = this.lookFor(stop);
    const seen: Seen = new Map();
    for (const entry of this.entries) {
      if (wanted === undefined) break;
      if (entry.k === 'look') advance(seen, entry);
      if (entry === wanted) break;
    }
    const lines = [...(seen.get(observer) ?? [])];
    const shown = lines.slice(0, MOST_LINES);
    if (lines.length > MOST_LINES) shown.push(['…', `+${lines.length - MOST_LINES} more`]);
    return { observer, lines: Object.fromEntries(shown) };
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
export function advance(seen: Seen, { looks }: Look): Said[] {
  return Object.entries(looks).flatMap(([name, delta]) => {
    const observer = name as ObserverName;
    const old = seen.get(observer) ?? new Map<string, string>();
    const said = Object.entries('whole' in delta ? delta.whole : delta.set).filter(
      ([key, text]) => old.get(key) !== text,
    );
    seen.set(observer, applied(old, delta));
    return said.map(([key, text]): Said => [observer, `${key}  ${text}`]);
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
