/** The engine's eyes: looks before and after a step, and keeps the looks where a dump is asked for. */
import type { StepInfo } from '../engine/frontend.ts';
import { prepareDump, writeDump } from './dump.ts';
import { OBSERVERS, type Change, type Observation, type Subject } from './names.ts';
import { compare, observe } from './observe.ts';

export interface WatcherOptions {
  /** Absolute folder; undefined: nothing is kept. */
  readonly dump: string | undefined;
  readonly showEnv: boolean;
  /** Where looks of all observers go as well: a recording. */
  readonly record?: (number: number, when: 'before' | 'after', all: readonly Observation[]) => void;
}

export class KernelWatcher {
  private readonly options: WatcherOptions;
  private subject: Subject | undefined;

  constructor(options: WatcherOptions) {
    this.options = options;
    if (options.dump !== undefined) prepareDump(options.dump);
  }

  look(step: Pick<StepInfo, 'observe'>, subject: Subject): readonly Observation[] {
    this.subject = subject;
    return step.observe.map((name) => observe(name, subject, this.options));
  }

  compare(before: readonly Observation[], after: readonly Observation[]): readonly Change[] {
    return compare(before, after);
  }

  /** A dump has all observers, also those that this step is not known to touch: that is what one looks for in a dump. */
  keep(number: number, step: string, when: 'before' | 'after', looks: readonly Observation[]): void {
    const { dump, record } = this.options;
    if (dump === undefined && record === undefined) return;
    const all = this.lookAgain(looks);
    if (dump !== undefined) writeDump(dump, number, step, when, all);
    record?.(number, when, all);
  }

  /** All observers, at whom the last look was; those of `looks` need not look again. */
  lookAgain(looks: readonly Observation[] = []): readonly Observation[] {
    const { subject } = this;
    if (subject === undefined) return [];
    return OBSERVERS.map(
      (name) => looks.find(({ observer }) => observer === name) ?? observe(name, subject, this.options),
    );
  }
}
