/**
 * One run: walks flows, and for each step: plan, journal the plan, failpoint and pause `before`, act, journal the outcome,
 * observe where somebody watches, failpoint and pause `after`. There is no other path for teaching: a breakpoint is a
 * failpoint that waits for a command.
 */
import { KernelError, now, type Call } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import type { Place } from '../daemon/place.ts';
import type { ValueName, Values } from '../flows/values.ts';
import type { Change, Observation, ObserverName, Subject } from '../observe/names.ts';
import { reach, type Failpoint } from './failpoints.ts';
import { StepError, TsDockError } from './failure.ts';
import type { EngineEvent, FrontEnd, Pause, StepInfo } from './frontend.ts';
import type { Compensation } from './compensation.ts';
import { keptByFinish, type Journal, type Pending } from './journal.ts';
import { askForCommands, type Breakpoints, type Questioned } from './pauses.ts';
import type { When } from './patterns.ts';
import {
  stageOf,
  type AnyStep,
  type PlanContext,
  type Report,
  type RunContext,
  type RunFacts,
  type StepId,
  type TerminalSize,
} from './step.ts';
import { unwind } from './undo.ts';

/** Looks at the kernel for one step, before and after. Loaded only where somebody watches. */
export interface Watcher {
  look(step: StepInfo, subject: Subject): readonly Observation[];
  compare(before: readonly Observation[], after: readonly Observation[]): readonly Change[];
  /** Keeps a look (`--dump`). */
  keep?(number: number, step: StepId, when: When, looks: readonly Observation[]): void;
}

export interface RunSettings {
  readonly sys: Kernel;
  readonly place: Place;
  readonly journal: Journal;
  /** Where host compensations go: they outlive the run. */
  readonly host: HostJournal;
  readonly facts: RunFacts;
  readonly failpoints: readonly Failpoint[];
  readonly breakpoints: Breakpoints;
  readonly frontEnd: FrontEnd;
  /** Undefined: nobody watches. */
  readonly watcher: Watcher | undefined;
  /** Every step that this run will walk. */
  readonly steps: readonly AnyStep[];
  readonly streams?: Streams | undefined;
  /** What an earlier process began of this run, and how many steps it walked. */
  readonly earlier?: { readonly pending: readonly Pending[]; readonly steps: number } | undefined;
}

/** The person's side of a container's streams, where they go through a monitor. */
export interface Streams {
  /** Of the terminal, if they are one and the container is to have one. */
  size(): TerminalSize | undefined;
  /** From now on they are the container's. */
  give(values: Partial<Values>): void;
  /**
   * Resolves when the terminal is as it was. With `drain` the container has ended, and all that it said is shown first.
   */
  take(drain: boolean): Promise<void>;
}

/** Takes down what `host down` will undo. */
export interface HostJournal {
  remember(step: StepId, undo: readonly Compensation[]): void;
}

/** What the last step did, for `diff` and `calls`. */
export interface LastStep {
  readonly id: StepId;
  readonly calls: readonly Call[];
  readonly more: number;
  readonly changes: readonly Change[];
}

export class Run implements Questioned {
  readonly values: Partial<Values> = {};
  readonly settings: RunSettings;
  readonly infos: readonly StepInfo[];
  last: LastStep | null = null;
  /** A signal that asks for the end; looked at between steps. */
  interrupted: NodeJS.Signals | null = null;
  /** A signal to ts-dock that asks for the end was passed on: a restart policy is not to undo that. */
  endWanted = false;
  private readonly pending: Pending[] = [];
  private number = 0;
  private terminal: 'container' | 'front-end' = 'front-end';
  private interrupt: () => void = () => undefined;
  /** Resolves when {@link interruptBy} is called: a pause must not outlast a signal. */
  readonly interruption = new Promise<void>((resolve) => {
    this.interrupt = resolve;
  });

  constructor(settings: RunSettings, initial: Partial<Values>) {
    this.settings = settings;
    this.infos = settings.steps.map(describe);
    this.pending.push(...(settings.earlier?.pending ?? []));
    this.number = settings.earlier?.steps ?? 0;
    Object.assign(this.values, initial);
  }

  emit(event: EngineEvent): void {
    this.settings.frontEnd.on(event);
  }

  interruptBy(signal: NodeJS.Signals): void {
    this.interrupted = signal;
    this.interrupt();
  }

  /** Walks steps in order. Throws {@link StepError}; what was begun is left for {@link undo}. */
  async walk(steps: readonly AnyStep[]): Promise<void> {
    for (const step of steps) await this.perform(step);
  }

  /**
   * The run has come to its end, and what was to stay only then stays: one line of the journal, before which a kill undoes
   * all of it and after which it undoes none.
   */
  finish(): void {
    if (!this.owes(({ compensation }) => keptByFinish(compensation))) return;
    this.settings.journal.write({ k: 'finished' });
    const owed = this.pending.filter(({ compensation }) => !keptByFinish(compensation));
    this.pending.splice(0, Infinity, ...owed);
  }

  /** Undoes what this run began and what `which` chooses, backwards. What could not be undone, in words. */
  async undo(
    why: 'failure' | 'exit' | 'over' | 'quit',
    which: (pending: Pending) => boolean,
  ): Promise<string[]> {
    const chosen = this.pending.filter(which);
    if (chosen.length === 0) return [];
    const { sys, place, journal } = this.settings;
    this.emit({ event: 'undo-begin', why, count: chosen.length });
    const ended = this.values.ended !== undefined;
    const failed = await unwind({ sys, place, ended }, chosen, journal, (undone) => {
      this.emit({ event: 'undone', undone });
    });
    const lost = new Set(failed.map(({ compensation }) => compensation));
    for (const done of chosen)
      if (!lost.has(done.compensation)) this.pending.splice(this.pending.indexOf(done), 1);
    this.emit({ event: 'undo-end' });
    return failed.map(({ step, error }) => `${step}: ${error}`);
  }

  /** Something that this run began is still to be undone. */
  owes(which: (pending: Pending) => boolean): boolean {
    return this.pending.some(which);
  }

  /** Whom to look at, from what the run knows so far. */
  subject(): Subject {
    const { place } = this.settings;
    const { identity, subject, child, joiner, commitSource, copyTarget } = this.values;
    const target = this.values.target ?? copyTarget;
    const id = identity?.id ?? subject?.container.ID ?? target?.id ?? commitSource?.id;
    const pid = child?.pid ?? joiner?.pid ?? (target?.pid === 0 ? undefined : target?.pid);
    return {
      root: place.root,
      cgroupParent: place.cgroupParent,
      bridge: place.bridge,
      ...(id === undefined ? {} : { containerId: id }),
      ...(pid === undefined ? {} : { pid }),
    };
  }

  /** Looks now, for somebody who asks. */
  observe(step: StepInfo, names: readonly ObserverName[]): readonly Observation[] {
    return this.settings.watcher?.look({ ...step, observe: names }, this.subject()) ?? [];
  }

  /**
   * A shell at a pause. The cgroup for what it starts stands in the journal first: whoever is killed while it is open leaves
   * nobody behind.
   */
  async shell(pause: Pause, line: string | null): Promise<void> {
    const { frontEnd, journal, place } = this.settings;
    if (frontEnd.shell === undefined)
      throw new TsDockError('bad-usage', 'there is no terminal for a shell here');
    const { child, ended, initConfig } = this.values;
    const living = ended === undefined ? child : undefined;
    const group = { parent: `${place.cgroupParent}-shells`, name: randomHex(8) };
    const owed = [
      { kind: 'remove-cgroup-parent', parent: group.parent } as const,
      { kind: 'remove-cgroup', ...group } as const,
    ].map((what) => journal.also(pause.number, pause.step.id, { lifetime: 'transient', ...what }));
    this.pending.push(...owed);
    if (line === null) this.emit({ event: 'terminal', owner: 'container' });
    await frontEnd.shell({
      line,
      pid: living?.pid,
      pidfd: living?.pidfd,
      facts: this.facts(pause),
      capabilities: initConfig?.capabilities ?? [],
      group,
      interruption: this.interruption,
    });
    if (line === null) this.emit({ event: 'terminal', owner: this.terminal });
    for (const done of owed) this.settle(done);
  }

  private facts(pause: Pause): Record<string, string> {
    const { place, facts } = this.settings;
    const { identity, subject, rootfs, child } = this.values;
    const container = this.values.container ?? subject?.container;
    const known = {
      TS_DOCK_RUN: facts.id,
      TS_DOCK_STEP: pause.step.id,
      TS_DOCK_ROOT: place.root,
      TS_DOCK_ID: identity?.id ?? container?.ID,
      TS_DOCK_NAME: identity?.name ?? container?.Name.slice(1),
      TS_DOCK_ROOTFS: rootfs,
      TS_DOCK_PID: child?.pid.toString(),
    };
    return Object.fromEntries(
      Object.entries(known).filter((fact): fact is [string, string] => fact[1] !== undefined),
    );
  }

  private async perform(step: AnyStep): Promise<void> {
    const info = this.infos[this.settings.steps.indexOf(step)] ?? describe(step);
    const number = ++this.number;
    const of = this.settings.steps.length;
    this.emit({ event: 'step-begin', step: step.id, number, of });
    let started = now();
    try {
      if (this.interrupted !== null)
        throw new TsDockError('interrupted', `${this.interrupted} asked for the end`);
      this.settings.sys.taken();
      const plan = this.plan(step, number);
      await this.stop(info, number, 'before');
      const before = this.look(info, number, 'before');
      started = now();
      await this.act(step, info, number, plan, before);
      await this.stop(info, number, 'after');
    } catch (error) {
      await this.fail(step.id, number, started, error);
      throw new StepError(step.id, error);
    }
  }

  private plan(step: AnyStep, number: number): { drawn: unknown } {
    const { sys, place, facts, journal } = this.settings;
    const context: PlanContext = { sys, place, run: facts };
    const plan = step.plan?.(this.taken(step), context) ?? { drawn: undefined, undo: [] };
    // What the host keeps does not belong to this run; all else is owed from here on, whether the act happens or not.
    const host = plan.undo.filter(({ lifetime }) => lifetime === 'host');
    if (host.length > 0) this.settings.host.remember(step.id, host);
    this.pending.push(
      ...journal.plan(
        number,
        step.id,
        plan.drawn ?? null,
        plan.undo.filter(({ lifetime }) => lifetime !== 'host'),
      ),
    );
    this.emit({ event: 'planned', step: step.id, drawn: plan.drawn, undo: plan.undo });
    return plan;
  }

  private async act(
    step: AnyStep,
    info: StepInfo,
    number: number,
    plan: { drawn: unknown },
    before: readonly Observation[],
  ): Promise<void> {
    const { sys, place, facts, failpoints, journal } = this.settings;
    const start = now();
    const notes: string[] = [];
    let report: Report | undefined;
    const context: RunContext<never> = {
      sys,
      place,
      run: facts,
      drawn: plan.drawn as never,
      interruption: this.interruption,
      warn: (text) => {
        notes.push(text);
        this.emit({ event: 'warning', text });
      },
      note: (text) => notes.push(text),
      progress: (bars) => {
        this.emit({ event: 'progress', bars });
      },
      handOver: (kind) => {
        this.release(kind);
      },
      alsoUndo: (compensation) => {
        if (compensation.lifetime === 'host') this.settings.host.remember(step.id, [compensation]);
        else this.pending.push(journal.also(number, step.id, compensation));
      },
      record: (aside) => {
        journal.aside(aside);
      },
      report: (made) => {
        report = made;
      },
    };
    if (step.handsTerminalTo === 'container') await this.giveTerminal('container', false);
    const acting = step.run(this.taken(step), context);
    const given = acting instanceof Promise ? await acting : acting;
    if (step.handsTerminalTo === 'front-end') await this.giveTerminal('front-end', true);
    const done: Report = report ?? { start, end: now(), ...sys.takenOf() };
    this.add(step, given);
    const kernel = done.calls.reduce((sum, { ns }) => sum + ns, 0);
    journal.done(
      {
        k: 'done',
        n: number,
        step: step.id,
        at: done.start,
        end: done.end,
        calls: done.calls.length + done.more,
        kernel,
      },
      facts.gated || failpoints.length > 0,
    );
    const after = this.look(info, number, 'after');
    const changes = this.settings.watcher?.compare(before, after) ?? [];
    this.last = { id: step.id, calls: done.calls, more: done.more, changes };
    this.emit({
      event: 'step-end',
      step: step.id,
      number,
      of: this.settings.steps.length,
      ...done,
      notes,
      given: given as Record<string, unknown>,
      changes,
    });
  }

  /** Written down as settled: whoever recovers this run must not undo it either. */
  private release(kind: Compensation['kind']): void {
    for (const done of this.pending.filter(({ compensation }) => compensation.kind === kind))
      this.settle(done);
  }

  private settle(done: Pending): void {
    const at = now();
    this.settings.journal.write({ k: 'undone', i: done.i, at, end: at, ok: true, error: '' });
    this.pending.splice(this.pending.indexOf(done), 1);
  }

  private add(step: AnyStep, given: Partial<Values>): void {
    for (const name of step.gives) {
      if (!(name in given)) throw new Error(`${step.id} did not give ${name}`);
      Object.assign(this.values, { [name]: given[name] });
    }
    const { journal } = this.settings;
    if (step.gives.includes('identity'))
      journal.write({ k: 'container', id: this.values.identity?.id ?? '' });
    else if (step.gives.includes('subject') && this.values.identity === undefined) {
      journal.write({ k: 'container', id: this.values.subject?.container.ID ?? '' });
      journal.write({ k: 'created' });
    }
    for (const name of ['target', 'commitSource', 'copyTarget'] as const)
      if (step.gives.includes(name)) journal.write({ k: 'container', id: this.values[name]?.id ?? '' });
    if (step.gives.includes('registered')) journal.write({ k: 'created' });
  }

  private taken(step: AnyStep): never {
    return Object.fromEntries(step.needs.map((name: ValueName) => [name, this.values[name]])) as never;
  }

  private async giveTerminal(owner: 'container' | 'front-end', drain: boolean): Promise<void> {
    if (this.terminal === owner) return;
    this.terminal = owner;
    const { streams } = this.settings;
    if (owner === 'front-end') await streams?.take(drain);
    this.emit({ event: 'terminal', owner });
    if (owner === 'container') streams?.give(this.values);
  }

  private async fail(step: StepId, number: number, start: number, error: unknown): Promise<void> {
    const end = now();
    await this.giveTerminal('front-end', false);
    // It did not fail: the monitor's process will walk it to its end.
    if (error instanceof TsDockError && error.reason === 'detached') return;
    const text = errorText(step, error);
    this.settings.journal.write({
      k: 'fail',
      n: number,
      step,
      at: start,
      end,
      reason: text.reason,
      message: text.message,
    });
    this.emit({ event: 'step-failed', step, error: text, calls: this.settings.sys.taken(), start, end });
  }

  private look(info: StepInfo, number: number, when: When): readonly Observation[] {
    const { watcher } = this.settings;
    if (watcher === undefined) return [];
    const looks = watcher.look(info, this.subject());
    watcher.keep?.(number, info.id, when, looks);
    return looks;
  }

  private async stop(info: StepInfo, number: number, when: When): Promise<void> {
    const { breakpoints, failpoints, frontEnd, facts } = this.settings;
    if (failpoints.length > 0) await reach(failpoints, info.id, when);
    // Two readers of one terminal would each get half of what is typed: until its exit it is the container's.
    const given =
      this.terminal === 'container' && facts.stdin === 'terminal' && frontEnd.sharesTerminal === true;
    if (!given && breakpoints.stopsAt(info.id, when))
      await askForCommands(this, breakpoints, {
        step: info,
        when,
        number,
        of: this.settings.steps.length,
        last: this.last?.id ?? null,
      });
    if (this.interrupted !== null)
      throw new TsDockError('interrupted', `${this.interrupted} asked for the end`);
  }
}

export function describe(step: AnyStep): StepInfo {
  const join = (...parts: string[]): string => parts.filter((part) => part !== '').join(' · ');
  return {
    id: step.id,
    stage: stageOf(step.id),
    title: step.title,
    actor: step.actor,
    then: join(step.then.symbol, step.then.file),
    now: join(
      step.now.where,
      (step.now.cve ?? []).join(', '),
      step.now.moved === undefined ? '' : `moved: ${step.now.moved}`,
    ),
    needs: step.needs,
    gives: step.gives,
    observe: step.observe,
  };
}

export function errorText(
  step: string,
  error: unknown,
): { reason: string; step: string; message: string; means: string; remedy: string } {
  if (error instanceof TsDockError)
    return { reason: error.reason, step, message: error.message, means: error.means, remedy: error.remedy };
  if (error instanceof KernelError)
    return { reason: 'kernel', step, message: error.message, means: '', remedy: '' };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { reason: 'bug', step, message, means: 'This is a bug in ts-dock.', remedy: '' };
}
