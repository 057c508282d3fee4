/**
 * What the host stage changed, in a journal of its own (`R/journal/host/journal.jsonl`): it outlives every run and is undone
 * by `host down`. The first to change a thing knows its old value, so a compensation is written down once.
 */
import { join } from 'node:path';
import type { Place } from '../daemon/place.ts';
import { AppendFile } from '../kernel/append.ts';
import { now } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Compensation } from './compensation.ts';
import { Journal, readStory, unlinkIfThere, type Story } from './journal.ts';
import type { HostJournal } from './run.ts';
import type { StepId } from './step.ts';

const RUN = 'host';

export class HostLedger implements HostJournal {
  private readonly sys: Kernel;
  private readonly place: Place;
  private known: Set<string> | undefined;

  constructor(sys: Kernel, place: Place) {
    this.sys = sys;
    this.place = place;
  }

  remember(step: StepId, undo: readonly Compensation[]): void {
    this.known ??= new Set(this.story().pending.map(({ compensation }) => keyOf(compensation)));
    const fresh = undo.filter((c) => this.known?.has(keyOf(c)) !== true);
    if (fresh.length === 0) return;
    this.sys.ensureDir(this.place.journal, 0o700);
    const create = this.sys.ensureDir(join(this.place.journal, RUN), 0o700);
    const pen = AppendFile.open(join(this.place.journal, RUN, 'journal.jsonl'), create);
    pen.append(`${JSON.stringify({ k: 'plan', n: 0, step, at: now(), drawn: null, undo: fresh })}\n`);
    pen.close();
    for (const c of fresh) this.known.add(keyOf(c));
  }

  story(): Story {
    return readStory(this.sys, this.place.journal, RUN);
  }

  /** All of it is undone: the host is as it was. */
  clear(): void {
    unlinkIfThere(this.sys, join(this.place.journal, RUN, 'journal.jsonl'));
    this.sys.rmdir(join(this.place.journal, RUN));
    this.known = undefined;
  }

  journal(story: Story): Journal {
    return Journal.reopen(this.sys, this.place.journal, story);
  }
}

/** The same thing, whatever was noted of its old state. */
function keyOf(c: Compensation): string {
  return c.kind === 'restore-file' ? `restore-file ${c.file}` : JSON.stringify(c);
}
