/**
 * The front end: events out, commands in, both plain JSON, so that a terminal, a socket or a page can drive a run.
 * The engine answers every command with events; the front end only draws, and asks for the next command at a pause.
 */
import type { Call } from '../kernel/calls.ts';
import type { Change, Observation, ObserverName } from '../observe/names.ts';
import type { Compensation } from './compensation.ts';
import type { Stage, StepId } from './step.ts';

/** What a front end needs to draw a step's card. */
export interface StepInfo {
  readonly id: StepId;
  readonly stage: Stage;
  readonly title: string;
  readonly actor: 'daemon' | 'dockerinit';
  readonly then: string;
  readonly now: string;
  readonly needs: readonly string[];
  readonly gives: readonly string[];
  readonly observe: readonly ObserverName[];
}

/** How an error reads, worked out once by the engine. */
export interface ErrorText {
  readonly reason: string;
  readonly step: string;
  readonly message: string;
  readonly means: string;
  readonly remedy: string;
}

/** How far a part of a long step is, for whoever waits: a layer that is unpacked, a blob that is fetched. */
export interface Bar {
  readonly label: string;
  /** Bytes. */
  readonly done: number;
  /** Bytes; 0: nobody knows. */
  readonly total: number;
  /** A word instead of numbers: what it waits for, or how it ended. */
  readonly state?: string;
}

/** Outcome of one compensation. */
export interface Undone {
  readonly step: StepId;
  readonly compensation: Compensation;
  readonly ok: boolean;
  /** Why not, empty when ok. */
  readonly error: string;
  readonly ns: number;
}

export type EngineEvent =
  /** The run begins: every step that it will walk, in order. */
  | {
      readonly event: 'begin';
      readonly run: string;
      readonly steps: readonly StepInfo[];
      readonly traceId: string;
    }
  | { readonly event: 'step-begin'; readonly step: StepId; readonly number: number; readonly of: number }
  | {
      readonly event: 'planned';
      readonly step: StepId;
      readonly drawn: unknown;
      readonly undo: readonly Compensation[];
    }
  /** `changes` only where somebody watches (a pause follows, or --dump). */
  | {
      readonly event: 'step-end';
      readonly step: StepId;
      readonly number: number;
      readonly of: number;
      readonly start: number;
      readonly end: number;
      readonly calls: readonly Call[];
      readonly more: number;
      readonly notes: readonly string[];
      readonly given: Readonly<Record<string, unknown>>;
      readonly changes: readonly Change[];
    }
  | {
      readonly event: 'step-failed';
      readonly step: StepId;
      readonly error: ErrorText;
      readonly calls: readonly Call[];
      readonly start: number;
      readonly end: number;
    }
  | { readonly event: 'warning'; readonly text: string }
  /** All bars of the step that acts, as they are now; they are gone at its end. */
  | { readonly event: 'progress'; readonly bars: readonly Bar[] }
  | {
      readonly event: 'undo-begin';
      readonly why: 'failure' | 'exit' | 'over' | 'quit' | 'recover' | 'rm';
      readonly count: number;
    }
  | { readonly event: 'undone'; readonly undone: Undone }
  | { readonly event: 'undo-end' }
  /** The terminal is the container's until `terminal: 'front-end'` comes. */
  | { readonly event: 'terminal'; readonly owner: 'front-end' | 'container' }
  | { readonly event: 'end'; readonly exitCode: number }
  // --- answers to commands ------------------------------------------------------------------------------------------
  | { readonly event: 'breakpoints'; readonly patterns: readonly string[] }
  | {
      readonly event: 'list';
      readonly steps: readonly StepInfo[];
      readonly at: StepId;
      readonly when: 'before' | 'after';
    }
  | { readonly event: 'explain'; readonly id: string }
  | { readonly event: 'values'; readonly values: Readonly<Record<string, unknown>> }
  | { readonly event: 'observation'; readonly observation: Observation }
  | { readonly event: 'diff'; readonly step: StepId; readonly changes: readonly Change[] }
  | { readonly event: 'calls'; readonly step: StepId; readonly calls: readonly Call[]; readonly more: number }
  | { readonly event: 'refused'; readonly text: string }
  // --- from a recording only ----------------------------------------------------------------------------------------
  /** Somebody went to another place; from here on it goes on as it did then. */
  | {
      readonly event: 'jump';
      readonly step: StepId;
      readonly number: number;
      readonly of: number;
      readonly undo: readonly Compensation[];
      readonly values: Readonly<Record<string, unknown>>;
    }
  /** What the program wrote; in a live run it writes for itself. `cut`: there was more. */
  | {
      readonly event: 'output';
      readonly stream: 'stdout' | 'stderr';
      readonly text: string;
      readonly cut: boolean;
    }
  /** What the user was told in the end. */
  | { readonly event: 'error'; readonly error: ErrorText }
  | {
      readonly event: 'found';
      readonly text: string;
      readonly hits: readonly Hit[];
      /** How many there were beyond these. */
      readonly more: number;
    };

/** Where a recording has what was searched for. */
export interface Hit {
  readonly step: StepId;
  readonly number: number;
  /** `card`, `call`, `value`, an observer's name, … */
  readonly what: string;
  readonly text: string;
}

/** Where the run stands still. `last` is the step that ran most recently, whose diff and calls can be asked for. */
export interface Pause {
  readonly step: StepInfo;
  readonly when: 'before' | 'after';
  readonly number: number;
  readonly of: number;
  readonly last: StepId | null;
  /** A recording is at its end: `step` is the last that was begun. */
  readonly over?: boolean;
}

export type FrontEndCommand =
  | { readonly command: 'next' }
  | { readonly command: 'continue' }
  | { readonly command: 'break'; readonly pattern: string }
  | { readonly command: 'unbreak'; readonly pattern: string }
  | { readonly command: 'list' }
  /** Without an id: the step where the run stands. A stage's name explains the stage. */
  | { readonly command: 'explain'; readonly id: string | null }
  /** `values`, an observer's name, or null for both. */
  | { readonly command: 'dump'; readonly what: string | null }
  | { readonly command: 'diff' }
  | { readonly command: 'calls' }
  /** A shell where the run stands; with a line, that one command. */
  | { readonly command: 'shell'; readonly line: string | null }
  | { readonly command: 'quit' }
  // --- to a recording only ------------------------------------------------------------------------------------------
  | { readonly command: 'back' }
  | { readonly command: 'first' }
  | { readonly command: 'last' }
  /** STEP, STEP:after, or the number of a step. */
  | { readonly command: 'goto'; readonly to: string }
  | { readonly command: 'search'; readonly text: string };

/** A shell that somebody asked for at a pause: where it is, and what it may know. */
export interface ShellRequest {
  /** Null: a shell for a person. */
  readonly line: string | null;
  /** The container's first process, as far as it is; without it the shell is on the host. */
  readonly pidfd: number | undefined;
  readonly pid: number | undefined;
  /** `TS_DOCK_…` and values. */
  readonly facts: Readonly<Record<string, string>>;
  /** Capabilities that root has in the container. */
  readonly capabilities: readonly string[];
  /** A cgroup for whatever the shell starts: its name, and its parent's at the root of each hierarchy. */
  readonly group: { readonly parent: string; readonly name: string };
  /** Resolves when the run is to end at once. */
  readonly interruption: Promise<void>;
}

export interface FrontEnd {
  /** It reads the terminal that the container may be given. */
  readonly sharesTerminal?: boolean;
  on(event: EngineEvent): void;
  /** The next command at this pause. At the end of its input a front end answers `continue`. */
  command(pause: Pause): Promise<FrontEndCommand>;
  /** Opens a shell, and resolves when it and all that it started has ended. Absent where that cannot be. */
  shell?(request: ShellRequest): Promise<void>;
  /** Restores the terminal. Called once, whatever happens. */
  close(): void;
}
