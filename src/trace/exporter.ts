/**
 * The exporter, a program of its own (dist/exporter.cjs): `exporter.cjs ROOT COLLECTOR [RUN [again]]`. It reads journals
 * and sends what COLLECTOR is still to get; the address itself stands in its environment. Started when a run is over, it
 * may take its time, fail or be killed: nobody waits for it.
 *
 * With RUN somebody does: that run is sent first (with `again` even if it was sent before), and one line of JSON says on
 * standard output what became of it. One exporter per collector of a root: whoever comes second leaves his runs to the
 * first, who looks for more after it has let go.
 */
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { placeOf, rootHash, type Place } from '../daemon/place.ts';
import { now } from '../kernel/calls.ts';
import { Kernel } from '../kernel/kernel.ts';
import type { Trace } from './model.ts';
import { readMark, readTrace, waitingFor, writeMark } from './queue.ts';

/** A collector that keeps us longer than this has had its chance. */
const PATIENCE_MS = 120_000;

/** The log is for the last few failures. */
const LOG_LIMIT = 64 * 1024;

interface Answer {
  readonly sent: boolean;
  readonly error: string;
}

class Exporter {
  private readonly sys = new Kernel();
  private readonly place: Place;
  private readonly collector: string;

  constructor(root: string, collector: string) {
    this.place = placeOf(root);
    this.collector = collector;
  }

  /** One run, for somebody who waits. */
  async one(run: string, again: boolean): Promise<Answer> {
    const lock = this.lock(true);
    try {
      const trace = readTrace(this.sys, this.place, run);
      if (trace === undefined) return { sent: false, error: 'its journal is gone' };
      if (!trace.ids.sampled) return { sent: false, error: 'it is not sampled' };
      if (!trace.over) return { sent: false, error: 'it is not over' };
      const mark = readMark(this.sys, this.place, run);
      if (!again && mark?.state === 'sent' && mark.to === this.collector) return { sent: true, error: '' };
      const error = await this.send(trace);
      return { sent: error === '', error };
    } finally {
      if (lock !== undefined) this.sys.close(lock);
    }
  }

  /** All that waits. Ends at the first failure: what is down now is down for the others too. */
  async rest(): Promise<void> {
    while (waitingFor(this.sys, this.place, this.collector).length > 0) {
      const lock = this.lock(false);
      if (lock === undefined) return;
      try {
        for (const trace of waitingFor(this.sys, this.place, this.collector))
          if ((await this.send(trace)) !== '') return;
      } finally {
        this.sys.close(lock);
      }
    }
  }

  private lock(wait: boolean): number | undefined {
    return this.sys.lock(join(this.place.journal, `export-${rootHash(this.collector)}.lock`), wait);
  }

  private async send(trace: Trace): Promise<string> {
    // Not an import: whoever finds nothing to do shall not have loaded the SDK for it.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- the bundler makes a lazy module of it
    const { send } = require('./send.ts') as typeof import('./send.ts');
    const started = now();
    const error = await send(trace);
    writeMark(this.sys, this.place, trace.run, this.collector, error);
    const ms = Math.round((now() - started) / 1e6).toString();
    const what = `${trace.spans.length.toString()} spans of ${trace.run} to ${this.collector}, ${ms} ms`;
    this.log(error === '' ? `sent ${what}` : `could not send ${what}: ${error}`);
    return error;
  }

  log(text: string): void {
    const path = join(this.place.journal, 'export.log');
    const before = this.sys.readIfThere(path) ?? '';
    const kept = before.length > LOG_LIMIT ? before.slice(-LOG_LIMIT / 2).replace(/^.*\n/, '') : before;
    this.sys.replaceFileLoosely(path, `${kept}${new Date().toISOString()} ${text}\n`);
  }
}

async function main([root, collector, run, again]: readonly string[]): Promise<void> {
  if (root === undefined || collector === undefined) return;
  const exporter = new Exporter(root, collector);
  try {
    if (run !== undefined)
      process.stdout.write(`${JSON.stringify(await exporter.one(run, again === 'again'))}\n`);
    await exporter.rest();
  } catch (error) {
    exporter.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    throw error;
  }
}

// It yields to everything else on this machine; a run that begins now must not feel it.
setPriority(19);
process.umask(0o077);
setTimeout(() => process.exit(1), PATIENCE_MS).unref();
// Whoever waited for the answer may be gone.
process.stdout.on('error', () => undefined);
void main(process.argv.slice(2)).then(
  () => process.exit(0),
  () => process.exit(1),
);
