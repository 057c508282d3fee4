/** Walks single steps as the engine does, without its journal: plan, act, and what was promised to undo. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import type { Compensation } from '../../src/engine/compensation.ts';
import type { Journal } from '../../src/engine/journal.ts';
import type { AnyStep, PlanContext, RunContext } from '../../src/engine/step.ts';
import { unwind } from '../../src/engine/undo.ts';
import type { Values } from '../../src/flows/values.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { ALONE } from './alone.ts';
import { sandboxPrefix, settle, takeCensus } from '../rig/census.ts';

export class Walk {
  readonly place: Place;
  readonly sys: Kernel;
  readonly warnings: string[] = [];
  readonly notes: string[] = [];
  readonly undo: Compensation[] = [];

  constructor(root: string, sys = new Kernel()) {
    this.place = placeOf(root);
    this.sys = sys;
  }

  /** A step, planned and run at once; what it gives. */
  async step<S extends AnyStep>(
    step: S,
    taken: Partial<Values> = {},
  ): Promise<Pick<Values, S['gives'][number]>> {
    const { drawn } = this.plan(step, taken);
    return this.run(step, drawn, taken);
  }

  plan(step: AnyStep, taken: Partial<Values> = {}): { readonly drawn: unknown } {
    const plan = step.plan?.(taken as never, this.context()) ?? { drawn: undefined, undo: [] };
    this.undo.push(...plan.undo);
    return plan;
  }

  async run<S extends AnyStep>(
    step: S,
    drawn: unknown,
    taken: Partial<Values> = {},
  ): Promise<Pick<Values, S['gives'][number]>> {
    const context: RunContext<never> = {
      ...this.context(),
      drawn: drawn as never,
      interruption: new Promise(() => undefined),
      warn: (text) => this.warnings.push(text),
      note: (text) => this.notes.push(text),
      progress: () => undefined,
      handOver: () => undefined,
      alsoUndo: (compensation) => this.undo.push(compensation),
      record: () => undefined,
      report: () => undefined,
    };
    return (await step.run(taken as never, context)) as Pick<Values, S['gives'][number]>;
  }

  /** Undoes all, backwards; what could not be undone, in words. */
  async back(): Promise<string[]> {
    const journal = { write: () => undefined, note: () => undefined } as unknown as Journal;
    const pending = this.undo
      .splice(0)
      .map((compensation, i) => ({ i, step: 'host.bridge' as const, compensation }));
    const { sys, place } = this;
    const failed = await unwind({ sys, place, ended: false }, pending, journal, () => undefined);
    return failed.map(({ error }) => error);
  }

  private context(): PlanContext {
    return { place: this.place, sys: this.sys, run: ALONE };
  }
}

/** A root of its own; at the test's end all is undone, and the host must be as it was. */
export function freshRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), sandboxPrefix));
  const root = join(folder, 'root');
  mkdirSync(root);
  const before = takeCensus({ root });
  onTestFinished(async () => {
    rmSync(folder, { recursive: true, force: true });
    const left = await settle(before, () => takeCensus({ root }));
    if (left.length > 0) throw new Error(`left behind on the host:\n  ${left.join('\n  ')}`);
  });
  return root;
}

/** A walk in a fresh root that is undone at the test's end. */
export function freshWalk(sys?: Kernel): Walk {
  const walk = new Walk(freshRoot(), sys);
  onTestFinished(async () => {
    await walk.back();
  });
  return walk;
}
