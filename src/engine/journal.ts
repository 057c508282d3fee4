/**
 * The journal of one run: JSON lines, 0600, in `R/journal/<run>/journal.jsonl`. The plan stands there before the act, the
 * outcome after it. Beside it, in `R/journal/`:
 *
 *   open/<run>            the lock of a run that has something to undo; its supervisor holds it, so free means dead
 *   kept/<container id>   the run whose with-container compensations wait for `rm`
 *
 * A torn last line (the writer was killed in it) is ignored: the act that it announces never began.
 */
import { join } from 'node:path';
import { AppendFile, bootId } from '../kernel/append.ts';
import type { Ended } from '../kernel/binding.ts';
import { now, refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Compensation, Lifetime } from './compensation.ts';
import type { StepId } from './step.ts';

/** The byte of a run's lock that its ts-dock holds; the next one is its monitor's. */
export const OUR_BYTE = 0;

/** How many closed journals are kept for looking back. */
export const KEPT_JOURNALS = 100;

export interface TraceIds {
  /** 32 and 16 hexadecimal digits (W3C trace context). */
  readonly traceId: string;
  readonly spanId: string;
  /** Span of the caller (TRACEPARENT), empty without one. */
  readonly parent: string;
  readonly sampled: boolean;
  /** Span of the container's process, which its own TRACEPARENT names. */
  readonly processSpanId: string;
}

export type Entry =
  | {
      readonly k: 'begin';
      readonly run: string;
      readonly command: string;
      /** Wall clock in milliseconds and CLOCK_MONOTONIC in nanoseconds of the same moment: the pairing of the two. */
      readonly wall: number;
      readonly at: number;
      readonly boot: string;
      readonly pid: number;
      readonly trace: TraceIds;
      /** The container goes with the run (`--rm`). */
      readonly rm: boolean;
      readonly version: string;
      /** The collector that this run's trace is for, without a user name or a password; absent: none was asked for. */
      readonly otlp?: string;
    }
  | { readonly k: 'container'; readonly id: string }
  /** From here on the created container stays, whatever becomes of the rest. */
  | { readonly k: 'created' }
  /** The run went to its end: what would have gone had it not (`unless-finished`) stays. */
  | { readonly k: 'finished' }
  | {
      readonly k: 'plan';
      readonly n: number;
      readonly step: StepId;
      readonly at: number;
      readonly drawn: unknown;
      readonly undo: readonly Compensation[];
    }
  | { readonly k: 'also'; readonly n: number; readonly step: StepId; readonly undo: Compensation }
  /** `kernel`: nanoseconds spent in the step's calls. */
  | {
      readonly k: 'done';
      readonly n: number;
      readonly step: StepId;
      readonly at: number;
      readonly end: number;
      readonly calls: number;
      readonly kernel: number;
    }
  | {
      readonly k: 'fail';
      readonly n: number;
      readonly step: StepId;
      readonly at: number;
      readonly end: number;
      readonly reason: string;
      readonly message: string;
    }
  | {
      readonly k: 'undone';
      readonly i: number;
      readonly at: number;
      readonly end: number;
      readonly ok: boolean;
      readonly error: string;
    }
  /** The container's monitor has the run from here on; its lock is the second byte's. */
  | { readonly k: 'handed'; readonly at: number; readonly monitor: number }
  /** A frame of the handshake, at the daemon's time; `sent` is dockerinit's own, 0 where the frame has none. */
  | {
      readonly k: 'frame';
      readonly way: 'to-init' | 'from-init';
      readonly t: string;
      readonly step: string;
      readonly at: number;
      readonly sent: number;
    }
  /** How the container's process ended. `cpu` nanoseconds and `peak` bytes of its whole cgroup; 0: not known. */
  | {
      readonly k: 'process';
      readonly at: number;
      readonly pid: number;
      readonly how: Ended['how'];
      readonly status: number;
      readonly cpu: number;
      readonly peak: number;
    }
  /** Another process undoes this run from here on; its clock may be that of another boot. */
  | { readonly k: 'recovered'; readonly wall: number; readonly at: number; readonly boot: string }
  | { readonly k: 'end'; readonly at: number; readonly code: number };

/** What nobody needs for undoing: only the trace reads it. */
export type Aside = Extract<Entry, { k: 'frame' | 'process' }>;

/** One compensation of a journal; `i` is its place, counted from the journal's start. */
export interface Pending {
  readonly i: number;
  readonly step: StepId;
  readonly compensation: Compensation;
}

/** What a journal says, read once. */
export interface Story {
  readonly run: string;
  readonly entries: readonly Entry[];
  readonly begin: Extract<Entry, { k: 'begin' }> | undefined;
  readonly container: string | undefined;
  readonly created: boolean;
  readonly handed: boolean;
  /** How many steps were walked, or begun. */
  readonly steps: number;
  /** What was begun and not yet undone, oldest first. */
  readonly pending: readonly Pending[];
}

export function tell(run: string, text: string): Story {
  const entries: Entry[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      entries.push(JSON.parse(line) as Entry);
    } catch {
      break;
    }
  }
  const all = entries.flatMap((e) =>
    e.k === 'plan'
      ? e.undo.map((c) => ({ step: e.step, compensation: c }))
      : e.k === 'also'
        ? [{ step: e.step, compensation: e.undo }]
        : [],
  );
  const undone = new Set(entries.flatMap((e) => (e.k === 'undone' && e.ok ? [e.i] : [])));
  const begin = entries.find((e) => e.k === 'begin');
  const container = entries.find((e) => e.k === 'container')?.id;
  const finished = entries.some((e) => e.k === 'finished');
  const pending = all
    .map((p, i) => ({ i, ...p }))
    .filter(({ i, compensation }) => !undone.has(i) && !(finished && keptByFinish(compensation)));
  const created = entries.some((e) => e.k === 'created');
  const handed = entries.some((e) => e.k === 'handed');
  const steps = entries.reduce((most, e) => (e.k === 'plan' ? Math.max(most, e.n) : most), 0);
  return { run, entries, begin, container, created, handed, steps, pending };
}

/** Stays from the moment that the run has come to its end. */
export const keptByFinish = ({ lifetime }: Compensation): boolean => lifetime === 'unless-finished';

/** A plain name that sorts by time and cannot clash. */
export function drawRunId(random: string): string {
  const [date = '', time = ''] = new Date()
    .toISOString()
    .replace(/[-:.Z]/g, '')
    .split('T');
  return `${date}-${time}-${random}`;
}

export class Journal {
  readonly run: string;
  private readonly folder: string;
  private readonly sys: Kernel;
  private readonly pen: AppendFile;
  private count: number;
  private asides = '';

  private constructor(sys: Kernel, folder: string, run: string, pen: AppendFile, count: number) {
    this.sys = sys;
    this.folder = folder;
    this.run = run;
    this.pen = pen;
    this.count = count;
  }

  /** A new journal, its lock held by this process from before anybody can see it. */
  static begin(
    sys: Kernel,
    folder: string,
    head: Omit<Extract<Entry, { k: 'begin' }>, 'k' | 'wall' | 'at' | 'boot' | 'pid'>,
  ): Journal {
    sys.ensureDir(folder, 0o700);
    sys.ensureDir(join(folder, 'open'), 0o700);
    sys.ensureDir(join(folder, 'kept'), 0o700);
    sys.mkdir(join(folder, head.run), 0o700);
    const pen = AppendFile.open(join(folder, head.run, 'journal.jsonl'), true);
    // Locked under a name that recovery passes over, then named: nobody can meet it open and unlocked.
    const unnamed = join(folder, `open/.${head.run}`);
    sys.lock(unnamed, false, OUR_BYTE);
    sys.rename(unnamed, join(folder, 'open', head.run));
    const journal = new Journal(sys, folder, head.run, pen, 0);
    journal.write({ k: 'begin', ...head, wall: Date.now(), at: now(), boot: bootId(), pid: process.pid });
    return journal;
  }

  /** An older journal, to go on with its undoing. The caller holds its lock, or the container's. */
  static reopen(sys: Kernel, folder: string, story: Story): Journal {
    const count = story.entries.reduce(
      (sum, e) => sum + (e.k === 'plan' ? e.undo.length : e.k === 'also' ? 1 : 0),
      0,
    );
    return new Journal(
      sys,
      folder,
      story.run,
      AppendFile.open(join(folder, story.run, 'journal.jsonl'), false),
      count,
    );
  }

  write(entry: Entry): void {
    this.pen.append(`${this.asides}${JSON.stringify(entry)}\n`);
    this.asides = '';
  }

  /**
   * What nobody needs for undoing: on a full disk, the teardown that would make room must not end for want of it. What was
   * undone and is not written down is undone again, which finds nothing.
   */
  note(entry: Extract<Entry, { k: 'undone' | 'recovered' | 'handed' | 'end' }>): void {
    try {
      this.write(entry);
    } catch {
      // Nothing is lost that the next look at the kernel would not tell.
    }
  }

  /** The next step's plan follows at once, and takes it along, unless somebody (`atOnce`) may stop the run in between. */
  done(entry: Extract<Entry, { k: 'done' }>, atOnce: boolean): void {
    if (atOnce) this.write(entry);
    else this.asides += `${JSON.stringify(entry)}\n`;
  }

  /** Goes along with the next line: sixty frames are not worth sixty writes. */
  aside(entry: Aside): void {
    this.asides += `${JSON.stringify(entry)}\n`;
  }

  /** Says that another process undoes what follows. */
  recovered(): void {
    this.note({ k: 'recovered', wall: Date.now(), at: now(), boot: bootId() });
  }

  /** Writes a plan down; what it would have to undo, numbered. */
  plan(n: number, step: StepId, drawn: unknown, undo: readonly Compensation[]): Pending[] {
    this.write({ k: 'plan', n, step, at: now(), drawn, undo });
    return undo.map((compensation) => ({ i: this.count++, step, compensation }));
  }

  also(n: number, step: StepId, undo: Compensation): Pending {
    this.write({ k: 'also', n, step, undo });
    return { i: this.count++, step, compensation: undo };
  }

  /** Nothing is left to undo but, with `container`, what goes with it. Removes the lock file last. */
  settle(container: string | undefined): void {
    if (container !== undefined) {
      const runs = keptRuns(this.sys, this.folder, container);
      if (!runs.includes(this.run))
        this.sys.replaceFileLoosely(
          join(this.folder, 'kept', container),
          `${[...runs, this.run].join('\n')}\n`,
        );
    }
    this.pen.close();
    unlinkIfThere(this.sys, join(this.folder, 'open', this.run));
  }

  /** Puts the pen down and leaves the lock file where it is: something could not be undone, or it is not ours. */
  leave(): void {
    this.pen.close();
  }
}

export function unlinkIfThere(sys: Kernel, path: string): void {
  if (sys.exists(path)) sys.unlink(path);
}

export function readStory(sys: Kernel, folder: string, run: string): Story {
  return tell(run, sys.readIfThere(join(folder, run, 'journal.jsonl')) ?? '');
}

/**
 * Whether a run's container is its monitor's: its ts-dock has said so, or was killed when it had only that to say. Every
 * command asks this of every container that runs, so the journal's lines are searched and not parsed.
 */
export function wasHandedOver(sys: Kernel, folder: string, run: string): boolean {
  const lines = (sys.readIfThere(join(folder, run, 'journal.jsonl')) ?? '').split('\n');
  return lines.some(
    (line) =>
      line.startsWith('{"k":"handed"') ||
      (line.startsWith('{"k":"done"') && line.includes('"step":"launch.callback"')),
  );
}

/** Runs that have something to undo, oldest first. */
export function openRuns(sys: Kernel, folder: string): string[] {
  if (!sys.exists(join(folder, 'open'))) return [];
  return sys
    .readdirPath(join(folder, 'open'))
    .filter((name) => !name.startsWith('.'))
    .sort();
}

/** The runs that made what goes with a container, oldest first, while that container is there. */
export function keptRuns(sys: Kernel, folder: string, container: string): string[] {
  return (sys.readIfThere(join(folder, 'kept', container)) ?? '').split('\n').filter((run) => run !== '');
}

/** Every run that has a journal, oldest first. What else lies in the folder does not begin with a digit. */
export function runNames(sys: Kernel, folder: string): string[] {
  return namesIn(sys, folder)
    .filter((name) => /^\d/.test(name))
    .sort();
}

function namesIn(sys: Kernel, folder: string): string[] {
  try {
    return sys.readdirPath(folder);
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Removes the oldest closed journals beyond {@link KEPT_JOURNALS}. */
export function prune(sys: Kernel, folder: string, remove: (name: string) => void): void {
  const runs = runNames(sys, folder);
  if (runs.length <= KEPT_JOURNALS) return;
  const busy = new Set([
    ...openRuns(sys, folder),
    ...sys.readdirPath(join(folder, 'kept')).flatMap((id) => keptRuns(sys, folder, id)),
  ]);
  const closed = runs.filter((run) => !busy.has(run)).sort();
  for (const run of closed.slice(0, Math.max(0, closed.length - KEPT_JOURNALS))) remove(run);
}

export const goesAt = (lifetimes: readonly Lifetime[]) => (p: Pending) =>
  lifetimes.includes(p.compensation.lifetime);
