/** `--record FILE`: puts together the recorder, the eyes and the ears of one run. */
import { arch, release, type } from 'node:os';
import type { ErrorText, FrontEnd } from '../engine/frontend.ts';
import { TsDockError } from '../engine/failure.ts';
import { describe, type Watcher } from '../engine/run.ts';
import type { AnyStep, OutputListener } from '../engine/step.ts';
import type { Values } from '../flows/values.ts';
import { AppendFile } from '../kernel/append.ts';
import { portable, type Json } from '../observe/portable.ts';
import { KernelWatcher } from '../observe/watcher.ts';
import { FORMAT, type Header } from '../replay/format.ts';
import { OutputCopy } from '../replay/output.ts';
import { Recorder } from '../replay/recorder.ts';
import { harmlessWords } from '../replay/words.ts';
import type { Cli } from './cli.ts';
import type { Watching } from './options.ts';
import { VERSION } from './version.ts';

export interface Recording {
  readonly watcher: Watcher;
  readonly listener: OutputListener;
  /** The front end, with the recorder beside it. */
  beside(frontEnd: FrontEnd): FrontEnd;
  /** The run is over. `error`: what the user is told. */
  close(error: ErrorText | undefined): void;
  /** Whatever happened: puts the pen down. */
  stop(): void;
}

interface Recorded {
  readonly steps: readonly AnyStep[];
  readonly initial: Partial<Values>;
}

/** Undefined where nothing is to be recorded. */
export function beginRecording(
  cli: Cli,
  { record: file, dump, showEnv }: Watching,
  { steps, initial }: Recorded,
): Recording | undefined {
  if (file === undefined) return undefined;
  const streams = ([1, 2] as const).filter((stream) => !outputOf(stream).isTTY);
  const header: Header = {
    k: 'recording',
    format: FORMAT,
    version: VERSION,
    kernel: `${type()} ${release()} ${arch()}`,
    when: new Date().toISOString(),
    words: harmlessWords(process.argv.slice(2), showEnv),
    showEnv,
    output: streams.map((stream) => (stream === 1 ? 'stdout' : 'stderr')),
    steps: steps.map(describe),
    initial: portable(initial, showEnv) as Readonly<Record<string, Json>>,
    known: { ROOT: cli.place.root },
  };
  const watcher = new KernelWatcher({
    dump,
    showEnv,
    record: (number, when, all) => {
      recorder.look(number, when, all);
    },
  });
  const listener = new OutputCopy({
    sys: cli.sys,
    streams,
    write: (stream, bytes, room) => {
      const output = outputOf(stream);
      const more = output.write(bytes);
      if (!more) output.once('drain', room);
      return more;
    },
    record: (stream, text, cut) => {
      recorder.output(stream, text, cut);
    },
  });
  const recorder = new Recorder({
    pen: penFor(file),
    header,
    warn: (text) => {
      cli.say(`ts-dock: ${text}`);
    },
    drain: () => {
      listener.drain();
    },
    lookAgain: () => watcher.lookAgain(),
  });
  for (const stream of streams) cli.guarded(outputOf(stream)).once('error', () => listener.deaf(stream));
  return {
    watcher,
    listener,
    beside: (frontEnd) => recorder.beside(frontEnd),
    close: (error) => {
      recorder.close(error);
    },
    stop: () => {
      listener.close();
      recorder.stop();
    },
  };
}

function outputOf(stream: 1 | 2): NodeJS.WriteStream {
  return stream === 1 ? process.stdout : process.stderr;
}

/** A new file: what is there already is somebody's, and a link may lead anywhere. */
function penFor(file: string): AppendFile {
  try {
    return AppendFile.open(file, true);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const name = JSON.stringify(file);
    if (code === 'EEXIST')
      throw new TsDockError('bad-usage', `cannot record to ${name}: it is there already`, {
        means: 'A recording never replaces anything.',
        remedy: 'Choose another name, or remove it first.',
        cause,
      });
    throw new TsDockError('bad-usage', `cannot record to ${name}: ${message}`, { cause });
  }
}
