import { Command } from 'commander';
import { resolve } from 'node:path';
import { TsDockError } from '../../engine/failure.ts';
import { refusedWith } from '../../kernel/calls.ts';
import { collectorOf } from '../../trace/collector.ts';
import { findTrace, traces } from '../../trace/find.ts';
import type { Trace } from '../../trace/model.ts';
import { readMark } from '../../trace/queue.ts';
import { waitsOf } from '../../trace/waits.ts';
import type { Cli } from '../cli.ts';
import { expected } from '../option-values.ts';
import { addJsonFlag } from '../options.ts';
import { tracesTable } from '../render/tables.ts';
import { timeLine } from '../render/time-line.ts';
import { formatOf, sendNow, traceText } from '../tracing.ts';

/** `trace list|show|export`: what the journals of past runs tell. */
export function traceCommand(cli: Cli): Command {
  return new Command('trace')
    .summary('show or export the trace of a run')
    .description('Look at the trace of a run: in the terminal, in a file, or in a collector.')
    .helpOption('--help', 'show this help')
    .addCommand(list(cli).exitOverride())
    .addCommand(show(cli).exitOverride())
    .addCommand(exported(cli).exitOverride());
}

function list(cli: Cli): Command {
  const command = new Command('list')
    .summary('list the runs that have a trace')
    .description('List the runs whose journals are kept, newest first.')
    .helpOption('--help', 'show this help');
  return addJsonFlag(command).action((options: { json?: boolean }) => {
    const rows = reading(cli, () =>
      traces(cli.sys, cli.place).map((trace) => ({ trace, mark: readMark(cli.sys, cli.place, trace.run) })),
    );
    if (options.json !== true) {
      cli.print(tracesTable(rows, cli.style()));
      return;
    }
    const plain = rows.map(({ trace, mark }) => ({ ...summaryOf(trace), export: mark ?? null }));
    cli.print(JSON.stringify(plain, null, 2));
  });
}

function show(cli: Cli): Command {
  const command = new Command('show')
    .summary('draw the time line of a run')
    .description('Draw the time line of a run: both services, the handshake, and what was waited for.')
    .helpOption('--help', 'show this help')
    .argument('[run]', 'run, its beginning, or a container', 'latest');
  return addJsonFlag(command).action((wanted: string, options: { json?: boolean }) => {
    const trace = find(cli, wanted);
    if (options.json === true) cli.print(asJson(trace));
    else cli.print(timeLine(trace, cli.style()));
  });
}

function exported(cli: Cli): Command {
  return new Command('export')
    .summary('write or send the trace of a run')
    .description('Write the trace of a run as OTLP JSON or as Jaeger JSON, or send it to a collector.')
    .helpOption('--help', 'show this help')
    .argument('[run]', 'run, its beginning, or a container', 'latest')
    .option('--format <format>', 'otlp or jaeger; without it, the name of the file decides')
    .option('-o, --output <file>', 'write to a file instead of standard output')
    .option('--otlp <url>', 'send it to this collector (OTLP over HTTP)')
    .action(async (wanted: string, options: { format?: string; output?: string; otlp?: string }) => {
      const { format, output = '-', otlp } = options;
      if (otlp !== undefined) await sendTo(cli, wanted, options, otlp);
      else {
        const kind = formatOf('--format', format, output);
        const text = traceText(find(cli, wanted), kind);
        if (output === '-') cli.print(text);
        else cli.sys.writeFile(resolve(output), text);
      }
    });
}

async function sendTo(
  cli: Cli,
  wanted: string,
  { format, output }: { readonly format?: string; readonly output?: string },
  otlp: string,
): Promise<void> {
  if (format !== undefined || output !== undefined)
    throw expected('--otlp', 'given without --format and --output', otlp);
  const wish = collectorOf(process.env, otlp);
  if (wish === undefined || 'refused' in wish)
    throw expected('--otlp', 'an address such as http://localhost:4318', otlp);
  const trace = find(cli, wanted);
  if (!(await sendNow(cli, wish.collector, trace.run, true))) cli.exitCode = 1;
}

function find(cli: Cli, wanted: string): Trace {
  return reading(cli, () => findTrace(cli.sys, cli.place, wanted));
}

/** Reading asks for no root, only for journals that can be read; a root that nobody has made is empty. */
function reading<T>(cli: Cli, read: () => T): T {
  try {
    if (process.getuid?.() === 0) cli.rootIsThere();
    return read();
  } catch (error) {
    if (!refusedWith(error, 'EACCES', 'EPERM')) throw error;
    throw new TsDockError('not-root', `cannot read the journals in ${cli.place.root} without root`, {
      remedy: 'Try it with sudo.',
    });
  }
}

function summaryOf(trace: Trace): object {
  const { run, command, ids, container, containerName, over, exitCode, spans, version } = trace;
  const [root] = spans;
  return {
    run,
    command,
    version,
    traceId: ids.traceId,
    sampled: ids.sampled,
    container: container ?? null,
    name: containerName ?? null,
    started: root === undefined ? null : new Date(Number(root.start / 1_000_000n)).toISOString(),
    durationNs: root === undefined ? 0 : Number(root.end - root.start),
    over,
    exitCode: exitCode ?? null,
    spans: spans.length,
  };
}

/** Nanoseconds since 1970 as text: they do not fit into a JSON number. */
function asJson(trace: Trace): string {
  const whole = { ...summaryOf(trace), spans: trace.spans, waits: waitsOf(trace) };
  return JSON.stringify(
    whole,
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
    2,
  );
}
