/**
 * An engine that acts on nothing: it says again what was recorded, to the same front ends, and goes back as well. Needs
 * neither root nor Linux, and asks the system for nothing.
 */
import { TsDockError } from '../engine/failure.ts';
import type { EngineEvent, FrontEnd, FrontEndCommand, Pause, StepInfo } from '../engine/frontend.ts';
import { parsePattern } from '../engine/patterns.ts';
import { answer, refusal, type Breakpoints, type Questioned } from '../engine/pauses.ts';
import type { LastStep } from '../engine/run.ts';
import type { Observation, ObserverName } from '../observe/names.ts';
import type { Entry } from './read.ts';
import { search } from './search.ts';
import type { Stop, Tape } from './tape.ts';

type Move = Extract<FrontEndCommand, { command: 'back' | 'first' | 'last' | 'goto' }>;

export class Player implements Questioned {
  private readonly tape: Tape;
  private readonly frontEnd: FrontEnd;
  private readonly breakpoints: Breakpoints;
  /** Markdown of a step's or a stage's card, to search in. */
  private readonly cardOf: (id: string) => string;
  /** Place in the tape's stops; -1 before the first. */
  private place = -1;
  /** The last entry that was said. */
  private said = -1;

  constructor(
    tape: Tape,
    settings: {
      readonly frontEnd: FrontEnd;
      readonly breakpoints: Breakpoints;
      readonly cardOf: (id: string) => string;
    },
  ) {
    this.tape = tape;
    this.frontEnd = settings.frontEnd;
    this.breakpoints = settings.breakpoints;
    this.cardOf = settings.cardOf;
  }

  get infos(): readonly StepInfo[] {
    return this.tape.header.steps;
  }

  get values(): Readonly<Record<string, unknown>> {
    return this.tape.valuesAt(this.said);
  }

  get last(): LastStep | null {
    return this.tape.lastAt(this.said);
  }

  emit(event: EngineEvent): void {
    this.frontEnd.on(event);
  }

  observe(_step: StepInfo, names: readonly ObserverName[]): readonly Observation[] {
    const stop = this.tape.stops[this.place];
    return stop === undefined ? [] : names.map((observer) => this.tape.observationAt(stop, observer));
  }

  /** Until the front end has had enough, or goes on at the end. */
  async play(): Promise<void> {
    const begun = this.tape.entries.find((entry) => entry.k === 'begin');
    this.emit({ event: 'begin', run: begun?.run ?? '', steps: this.infos, traceId: begun?.traceId ?? '' });
    let stop = this.forward();
    while (stop !== undefined) stop = await this.ask(stop);
  }

  /** Where to go from here; undefined: away. */
  private async ask(stop: Stop): Promise<Stop | undefined> {
    for (;;) {
      const pause = this.pauseAt(stop);
      const command = await this.frontEnd.command(pause);
      switch (command.command) {
        case 'quit':
          return undefined;
        case 'next':
        case 'continue':
          this.breakpoints.goOn(command.command === 'next');
          return this.forward();
        case 'back':
        case 'first':
        case 'last':
        case 'goto': {
          const went = this.go(command);
          if (went !== undefined) return went;
          break;
        }
        case 'shell':
          this.emit({ event: 'refused', text: 'a recording has nothing that a shell could be in' });
          break;
        case 'search':
          this.emit({ event: 'found', text: command.text, ...search(this.tape, command.text, this.cardOf) });
          break;
        default:
          answer(this, this.breakpoints, pause, command);
      }
    }
  }

  private pauseAt({ kind, step, number, of }: Stop): Pause {
    const last = this.last?.id ?? null;
    if (kind !== 'over') return { step, when: kind, number, of, last };
    return { step, when: last === step.id ? 'after' : 'before', number, of, last, over: true };
  }

  /** On to the next breakpoint, or to the end; undefined where this is the end. */
  private forward(): Stop | undefined {
    for (let place = this.place + 1; place < this.tape.stops.length; place++) {
      const stop = this.tape.stops[place];
      if (stop === undefined) break;
      this.place = place;
      this.say(stop.index);
      if (stop.kind === 'over' || this.breakpoints.stopsAt(stop.step.id, stop.kind)) return stop;
    }
    return undefined;
  }

  /** Says what was recorded up to this entry. */
  private say(index: number): void {
    while (this.said < index) {
      const entry = this.tape.entries[++this.said];
      const event = entry === undefined ? undefined : eventOf(entry);
      if (event !== undefined) this.emit(event);
    }
  }

  /** Goes there, and says again how it came to be as it is there; undefined where one cannot go. */
  private go(move: Move): Stop | undefined {
    try {
      const place = this.placeOf(move);
      const stop = this.tape.stops[place];
      if (stop === undefined) return undefined;
      this.place = place;
      this.said = stop.card;
      this.emit({
        event: 'jump',
        step: stop.step.id,
        number: stop.number,
        of: stop.of,
        undo: this.tape.undoAt(stop.card),
        values: this.tape.valuesAt(stop.card),
      });
      this.say(stop.index);
      return stop;
    } catch (error) {
      this.emit(refusal(error));
      return undefined;
    }
  }

  private placeOf(move: Move): number {
    const { stops } = this.tape;
    switch (move.command) {
      case 'first':
        return 0;
      case 'last':
        return stops.length - 1;
      case 'back': {
        const earlier = stops.slice(0, this.place).findLastIndex(({ kind }) => kind === 'before');
        if (earlier < 0) throw new TsDockError('bad-usage', 'this is the beginning of the recording');
        return earlier;
      }
      case 'goto':
        return this.placeNamed(move.to);
    }
  }

  private placeNamed(to: string): number {
    const { stops } = this.tape;
    const [, number, side] = /^(\d+)(:after|:before)?$/.exec(to) ?? [];
    const name = number === undefined ? to : `${this.infos[Number(number) - 1]?.id ?? number}${side ?? ''}`;
    const pattern = parsePattern(
      name,
      this.infos.map(({ id }) => id),
    );
    const found = stops.findIndex(({ kind, step }) => kind === pattern.when && pattern.matches(step.id));
    if (found >= 0) return found;
    throw new TsDockError('no-such-step', `the recorded run did not come to ${name}`, {
      remedy: `It ended in ${stops.at(-1)?.step.id ?? 'nothing'}`,
    });
  }
}

/** Undefined for what nobody was told at the time. */
function eventOf(entry: Entry): EngineEvent | undefined {
  switch (entry.k) {
    case 'begin':
    case 'look':
    case 'closed':
      return undefined;
    default: {
      const { k: event, ...rest } = entry;
      return { event, ...rest } as EngineEvent;
    }
  }
}
