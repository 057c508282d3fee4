/** What a step is. A step knows neither its neighbours nor how it is traced, drawn or undone. */
import type { Place } from '../daemon/place.ts';
import type { ValueName, Values } from '../flows/values.ts';
import type { Call } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ObserverName } from '../observe/names.ts';
import type { Bar } from './frontend.ts';
import type { Compensation } from './compensation.ts';
import type { Aside } from './journal.ts';

export const STAGES = [
  ...(['host', 'create', 'start', 'launch', 'init', 'exit', 'exec', 'stop'] as const),
  ...(['pull', 'load', 'commit', 'cp'] as const),
] as const;
export type Stage = (typeof STAGES)[number];
export type StepId = `${Stage}.${string}`;

/** Where the same thing stood in Docker 1.2.0. */
export interface Then {
  /** E.g. `Daemon.Mount, driver.Get`; empty where 1.2.0 had nothing like it. */
  readonly symbol: string;
  /** E.g. `daemon/daemon.go:907` of tag v1.2.0. */
  readonly file: string;
}

/** Where it stands today, and why ts-dock does it otherwise than 1.2.0 did. */
export interface Now {
  /** E.g. `runc libcontainer/rootfs_linux.go pivotRoot`. */
  readonly where: string;
  readonly cve?: readonly string[];
  /** `from, why`, where the step moved. */
  readonly moved?: string;
}

export interface PlanContext {
  readonly place: Place;
  readonly sys: Kernel;
  readonly run: RunFacts;
}

/** What a plan says before anything is done. */
export interface Plan<P> {
  /** Names, addresses and random values that were drawn. JSON; goes into the journal, so no secrets. */
  readonly drawn: P;
  readonly undo: readonly Compensation[];
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** What a step may know of the run it belongs to. */
export interface RunFacts {
  readonly id: string;
  /** W3C trace context for the container's process. */
  readonly traceparent: string;
  /** dockerinit asks before each step: somebody may stop there. */
  readonly gated: boolean;
  /** The steps of dockerinit in this run's flow, in order. */
  readonly initSteps: readonly StepId[];
  /** The container's parent is a monitor, and may outlive this command. */
  readonly supervised: boolean;
  /** Somebody looks at the container until its end; with a monitor that need not be. */
  readonly attached: boolean;
  /** Of the person's terminal, where the container is to have one like it. */
  readonly size?: TerminalSize;
  /** How this very program is started, without its command: `[node, ts-dock.cjs, --root, R]`. */
  readonly self: readonly string[];
  /** The user asked for standard input (`-i`), and nobody else reads it. */
  readonly stdin: 'terminal' | 'null';
  /** Takes down what the program writes, where the run is recorded. */
  readonly listener?: OutputListener;
}

/** Who copies what the program writes, and takes it down. */
export interface OutputListener {
  /** Which of standard output (1) and error (2) can be listened to without the program seeing another kind of thing there. */
  readonly streams: readonly (1 | 2)[];
  /** The end of the pipe to read from is the listener's from here on. */
  hear(stream: 1 | 2, pipe: number): void;
}

/** What a step of dockerinit reports of itself: its own clock and calls instead of the daemon's. */
export interface Report {
  readonly start: number;
  readonly end: number;
  readonly calls: readonly Call[];
  /** Calls beyond those listed. */
  readonly more: number;
}

export interface RunContext<P> extends PlanContext {
  readonly drawn: P;
  /** A sentence for the user, as Docker's warnings: on standard error, and on the card. */
  warn(text: string): void;
  /** A sentence for the card only. */
  note(text: string): void;
  /** How far it is, as often as it likes: all bars at once, replacing those before. */
  progress(bars: readonly Bar[]): void;
  /** A compensation that only the act could know, e.g. a process id. Journalled at once. */
  alsoUndo(compensation: Compensation): void;
  /** Resolves when somebody asks for the end: a step that waits long must stop waiting then. The engine does the rest. */
  readonly interruption: Promise<void>;
  /** Writes down what the trace alone wants to know. */
  record(aside: Aside): void;
  /** What this run would have undone of that kind is from here on somebody else's: it outlives the run. */
  handOver(kind: Compensation['kind']): void;
  /** Replaces the engine's times and calls by what dockerinit reported. */
  report(report: Report): void;
}

type Taken<N extends readonly ValueName[]> = Readonly<Pick<Values, N[number]>>;
type Given<G extends readonly ValueName[]> = Pick<Values, G[number]>;

export interface Step<
  N extends readonly ValueName[] = readonly ValueName[],
  G extends readonly ValueName[] = readonly ValueName[],
  P = unknown,
> {
  readonly id: StepId;
  /** Imperative, at most 50 characters. */
  readonly title: string;
  readonly actor: 'daemon' | 'dockerinit';
  readonly then: Then;
  readonly now: Now;
  readonly needs: N;
  readonly gives: G;
  /** Which observers show its effect. */
  readonly observe: readonly ObserverName[];
  /** `container`: from before this step acts the terminal is the container's. `front-end`: after it, no longer. */
  readonly handsTerminalTo?: 'container' | 'front-end';
  /** Draws every name, address and random value. Changes nothing. */
  plan?(taken: Taken<N>, context: PlanContext): Plan<P>;
  run(taken: Taken<N>, context: RunContext<P>): Given<G> | Promise<Given<G>>;
}

/** A step of any kind, as the engine sees it. */
export interface AnyStep {
  readonly id: StepId;
  readonly title: string;
  readonly actor: 'daemon' | 'dockerinit';
  readonly then: Then;
  readonly now: Now;
  readonly needs: readonly ValueName[];
  readonly gives: readonly ValueName[];
  readonly observe: readonly ObserverName[];
  readonly handsTerminalTo?: 'container' | 'front-end';
  plan?(taken: never, context: PlanContext): Plan<unknown>;
  run(taken: never, context: RunContext<never>): object | Promise<object>;
}

/** Checks one step's types; adds nothing. */
export function step<
  const N extends readonly ValueName[],
  const G extends readonly ValueName[],
  P = undefined,
>(definition: Step<N, G, P>): Step<N, G, P> {
  return definition;
}

export function stageOf(id: StepId): Stage {
  return id.slice(0, id.indexOf('.')) as Stage;
}
