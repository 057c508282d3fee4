/**
 * What becomes of a run's trace when the run is over: a file, a collector, or nothing. By then the exit code is decided;
 * whatever goes wrong here is said, and changes it no more.
 */
import { join, resolve } from 'node:path';
import { answerOf, startDetached } from '../kernel/detached.ts';
import { collectorOf, type Collector, type Environment } from '../trace/collector.ts';
import { jaegerJson } from '../trace/jaeger-json.ts';
import type { Trace } from '../trace/model.ts';
import { otlpJson } from '../trace/otlp-json.ts';
import { readTrace } from '../trace/queue.ts';
import type { Cli } from './cli.ts';
import { expected } from './option-values.ts';
import type { TraceOptions } from './options.ts';
import { shown } from './render/text.ts';

export type TraceFormat = 'otlp' | 'jaeger';

export interface Tracing {
  readonly collector: Collector | undefined;
  /** The caller's environment asks for something that cannot be; a sentence. */
  readonly warning: string | undefined;
  /** `--otlp-wait` */
  readonly wait: boolean;
  readonly file: { readonly path: string; readonly format: TraceFormat } | undefined;
}

/** Neither a file nor a collector. */
export const NO_TRACING: Tracing = { collector: undefined, warning: undefined, wait: false, file: undefined };

export function tracingOf(options: TraceOptions, env: Environment): Tracing {
  const { otlp, otlpWait: wait = false, traceFile, traceFormat } = options;
  const wish = collectorOf(env, otlp);
  const refused = wish !== undefined && 'refused' in wish ? wish.refused : undefined;
  if (refused !== undefined && otlp !== undefined)
    throw expected('--otlp', 'an address such as http://localhost:4318', otlp);
  const collector = wish !== undefined && 'collector' in wish ? wish.collector : undefined;
  if (wait && collector === undefined && refused === undefined)
    throw expected(
      '--otlp-wait',
      'given with a collector',
      '',
      'Say where to: --otlp URL or OTEL_EXPORTER_OTLP_ENDPOINT.',
    );
  if (traceFile === '') throw expected('--trace-file', 'a path', traceFile);
  if (traceFormat !== undefined && traceFile === undefined)
    throw expected('--trace-format', 'given together with --trace-file', traceFormat);
  return {
    collector,
    warning: refused,
    wait,
    file:
      traceFile === undefined
        ? undefined
        : { path: resolve(traceFile), format: formatOf('--trace-format', traceFormat, traceFile) },
  };
}

/** Without a word from the user the file's name decides. */
export function formatOf(option: string, text: string | undefined, file: string): TraceFormat {
  if (text === undefined) return /jaeger[^/]*$/i.test(file) ? 'jaeger' : 'otlp';
  if (text !== 'otlp' && text !== 'jaeger') throw expected(option, 'otlp or jaeger', text);
  return text;
}

export function traceText(trace: Trace, format: TraceFormat): string {
  return `${JSON.stringify(format === 'otlp' ? otlpJson(trace) : jaegerJson(trace), null, 1)}\n`;
}

/** The last thing of a run. Throws nothing. */
export async function afterRun(
  cli: Cli,
  { collector, warning, wait, file }: Tracing,
  { run, sampled }: { readonly run: string; readonly sampled: boolean },
): Promise<void> {
  try {
    if (warning !== undefined) cli.say(`ts-dock: the trace is not sent: ${warning}`);
    if (file !== undefined) writeTrace(cli, run, file.path, file.format);
    if (collector === undefined) return;
    if (!sampled) {
      if (wait)
        cli.say('ts-dock: the trace is not sent: it is not sampled (TRACEPARENT or the sampler says)');
    } else if (wait) await sendNow(cli, collector, run, false);
    else exportLater(cli, collector);
  } catch (error) {
    cli.say(`ts-dock: the trace is lost: ${wordsOf(error)}`);
  }
}

const exporter = (cli: Cli, { name, env }: Collector, ...more: readonly string[]) => ({
  script: join(import.meta.dirname, 'exporter.cjs'),
  args: [cli.place.root, name, ...more],
  env,
});

/** Sends whatever waits for this collector, in a process of its own. */
export function exportLater(cli: Cli, collector: Collector): void {
  startDetached(cli.sys, exporter(cli, collector));
}

/** Waits until it is sent, and says so. False where it was not. */
export async function sendNow(cli: Cli, collector: Collector, run: string, again: boolean): Promise<boolean> {
  const line = await answerOf(cli.sys, exporter(cli, collector, run, ...(again ? ['again'] : [])));
  const { sent, error } =
    line === undefined
      ? { sent: false, error: 'the exporter ended without a word' }
      : (JSON.parse(line) as { sent: boolean; error: string });
  cli.say(
    sent
      ? `ts-dock: sent the trace of ${run} to ${collector.name}`
      : `ts-dock: could not send the trace of ${run} to ${collector.name}: ${shown(error)}`,
  );
  return sent;
}

export function writeTrace(cli: Cli, run: string, path: string, format: TraceFormat): void {
  const trace = readTrace(cli.sys, cli.place, run);
  if (trace !== undefined) cli.sys.writeFile(path, traceText(trace, format));
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
