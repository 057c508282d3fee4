/** The engine's eyes: looks before and after a step, and keeps the looks where a dump is asked for. */
import type { StepInfo } from '../engine/frontend.ts';
import { prepareDump, writeDump } from './dump.ts';
import { OBSERVERS, type Change, type Observation, type Subject } from './names.ts';
import { compare, observe } from './observe.ts';

export interface WatcherOptions {
  /** Absolute folder; undefined: nothing is kept. */
  readonly dump: string | undefined;
  readonly showEnv: boolean;
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
    const { dump } = this.options;
    const { subject } = this;
    if (dump === undefined || subject === undefined) return;
    const all = OBSERVERS.map(
      (name) => looks.find(({ observer }) => observer === name) ?? observe(name, subject, this.options),
    );
    writeDump(dump, number, step, when, all);
  }
}
