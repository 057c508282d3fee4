import { Command } from 'commander';
import { LogReader, type LogLine } from '../../daemon/container-log.ts';
import { containerFolder, findContainer, readStored } from '../../daemon/containers.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import * as value from '../option-values.ts';
import { writeTo } from '../terminal/pipes.ts';

interface LogsOptions {
  readonly follow?: boolean;
  readonly tail: string;
  readonly since?: string;
  readonly timestamps?: boolean;
}

/** `logs CONTAINER`: what it said while a monitor had it. */
export function logsCommand(cli: Cli): Command {
  return new Command('logs')
    .summary('show what a container said')
    .description('Show what a container has written to its standard output and error.')
    .helpOption('--help', 'show this help')
    .option('-f, --follow', 'go on as it says more, until its end')
    .option('--tail <lines>', 'only so many lines from the end', 'all')
    .option('--since <time>', 'only what was said since: 2026-01-31T12:00:00Z, seconds since 1970, or 10m')
    .option('-t, --timestamps', 'say when')
    .argument('<container>')
    .action(async (wanted: string, options: LogsOptions) => {
      const tail = options.tail === 'all' ? Infinity : value.wholeNumber('--tail', options.tail, 0);
      const since = options.since === undefined ? 0 : value.moment('--since', options.since);
      cli.requireRoot();
      await cli.recoverFirst();
      const { container } = findContainer(cli.sys, cli.place, wanted);
      const reader = new LogReader(cli.sys, cli.place, container.ID);
      try {
        if (!reader.exists) throw noLog(wanted, container.State.StartedAt.startsWith('0001'));
        const chosen = chosenLines(reader, tail, since);
        for (const line of chosen) await show(cli, line, options.timestamps === true);
        if (options.follow === true) await follow(cli, container.ID, reader, options.timestamps === true);
      } finally {
        reader.close();
      }
    });
}

/** Holds no more than the lines that are shown. */
function chosenLines(reader: LogReader, tail: number, since: number): readonly LogLine[] {
  const last: LogLine[] = [];
  for (const line of reader.lines()) {
    if (Date.parse(line.time) < since || tail === 0) continue;
    last.push(line);
    if (last.length > tail) last.shift();
  }
  return last;
}

async function show(cli: Cli, { stream, log, time }: LogLine, timestamps: boolean): Promise<void> {
  const text = timestamps ? `${time} ${log}` : log;
  await writeTo(cli, stream === 'stderr' ? process.stderr : process.stdout, Buffer.from(text));
}

async function follow(cli: Cli, id: string, reader: LogReader, timestamps: boolean): Promise<void> {
  let wake: () => void = () => undefined;
  const watch = cli.sys.watchFolder(containerFolder(cli.place, id), () => {
    wake();
  });
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => (wake = resolve));
      // Looked at before the log: what it said before it ended is in the log then.
      const running = readStored(cli.sys, cli.place, id)?.container.State;
      for (const line of reader.lines()) await show(cli, line, timestamps);
      if (running === undefined || !(running.Running || running.Restarting)) return;
      await changed;
    }
  } finally {
    watch.stop();
  }
}

function noLog(wanted: string, never: boolean): TsDockError {
  return new TsDockError('no-such-container', `there is no log of ${wanted}`, {
    means: never
      ? 'It has never run.'
      : 'It ran with --rm in the foreground: what it said went straight to that command, byte for byte.',
    remedy: 'Containers that run without --rm, or with -d or -t, have one.',
  });
}
