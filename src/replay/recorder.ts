/**
 * Writes a recording as the run happens, so that a ts-dock that is killed leaves one that is whole up to that moment. A
 * recording never ends a run: where it cannot go on it stops, and says so.
 */
import type { EngineEvent, ErrorText, FrontEnd } from '../engine/frontend.ts';
import type { When } from '../engine/patterns.ts';
import type { AppendFile } from '../kernel/append.ts';
import type { Observation, ObserverName } from '../observe/names.ts';
import { portable, type Json } from '../observe/portable.ts';
import { deltaOf } from './delta.ts';
import { MOST_BYTES, MOST_LINE, seal, type Header, type Line, type Looks } from './format.ts';

export interface RecorderSettings {
  readonly pen: Pick<AppendFile, 'append' | 'close'>;
  readonly header: Header;
  /** Called once, where the recording has to stop. */
  readonly warn: (text: string) => void;
  /** Brings in what the program has written and nobody has read yet. */
  readonly drain: () => void;
  /** All observers once more, after the undoing. */
  readonly lookAgain: () => readonly Observation[];
}

export class Recorder {
  private readonly settings: RecorderSettings;
  private readonly looks = new Map<ObserverName, Readonly<Record<string, string>>>();
  private hash = '';
  private bytes = 0;
  private stopped = false;

  constructor(settings: RecorderSettings) {
    this.settings = settings;
    this.write(settings.header);
  }

  /** The same front end, with a recorder that hears everything first. */
  beside(frontEnd: FrontEnd): FrontEnd {
    return {
      ...(frontEnd.sharesTerminal === undefined ? {} : { sharesTerminal: frontEnd.sharesTerminal }),
      on: (event) => {
        this.hear(event);
        frontEnd.on(event);
      },
      command: (pause) => frontEnd.command(pause),
      close: () => frontEnd.close(),
    };
  }

  /** A look of all observers. */
  look(number: number, when: When | 'end', all: readonly Observation[]): void {
    const looks: Partial<Record<ObserverName, Looks[ObserverName]>> = {};
    for (const { observer, lines } of all) {
      const delta = deltaOf(this.looks.get(observer) ?? {}, lines);
      if (delta !== undefined) looks[observer] = delta;
      this.looks.set(observer, lines);
    }
    this.write({ k: 'look', number, when, looks: looks as Looks });
  }

  output(stream: 'stdout' | 'stderr', text: string, cut: boolean): void {
    this.write({ k: 'output', stream, text, cut });
  }

  /** The last line: with it the recording is whole. */
  close(error: ErrorText | undefined): void {
    if (error !== undefined) this.write({ k: 'error', error });
    this.write({ k: 'closed' });
    this.stop();
  }

  /** Takes the pen away; without {@link close} before it, the recording reads as one that was cut. */
  stop(): void {
    if (!this.stopped) this.settings.pen.close();
    this.stopped = true;
  }

  private hear(event: EngineEvent): void {
    // What the program wrote belongs before what happened after its end.
    if (event.event === 'terminal' || event.event === 'end') this.settings.drain();
    if (event.event === 'end') this.look(0, 'end', this.settings.lookAgain());
    const line = this.lineOf(event);
    if (line !== undefined) this.write(line);
  }

  /** Undefined for what a recording has no line for: answers to questions, and whose the terminal is. */
  private lineOf(event: EngineEvent): Line | undefined {
    switch (event.event) {
      case 'begin':
        return { k: 'begin', run: event.run, traceId: event.traceId };
      case 'planned':
        return { k: 'planned', step: event.step, drawn: this.json(event.drawn ?? null), undo: event.undo };
      case 'step-end': {
        const { event: k, given, ...rest } = event;
        return { k, ...rest, given: this.json(given) as Readonly<Record<string, Json>> };
      }
      case 'step-begin':
      case 'step-failed':
      case 'warning':
      case 'undo-begin':
      case 'undone':
      case 'undo-end':
      case 'end': {
        const { event: k, ...rest } = event;
        return { k, ...rest } as Line;
      }
      default:
        return undefined;
    }
  }

  private json(value: unknown): Json {
    return portable(value, this.settings.header.showEnv);
  }

  private write(line: Line): void {
    if (this.stopped) return;
    const { text, hash } = seal(this.hash, line);
    const length = Buffer.byteLength(text);
    if (length > MOST_LINE || this.bytes + length > MOST_BYTES) {
      this.giveUp('it would be too big to be read again');
      return;
    }
    try {
      this.settings.pen.append(text);
    } catch (error) {
      this.giveUp(error instanceof Error ? error.message : String(error));
      return;
    }
    this.hash = hash;
    this.bytes += length;
  }

  private giveUp(why: string): void {
    this.stop();
    this.settings.warn(`the recording ends here: ${why}`);
  }
}
