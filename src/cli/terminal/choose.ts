/** Which front end a run gets: a person at a terminal, a script, or nobody. */
import type { ReadStream, WriteStream } from 'node:tty';
import { TsDockError } from '../../engine/failure.ts';
import type { EngineEvent, FrontEnd } from '../../engine/frontend.ts';
import { refusedWith } from '../../kernel/calls.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';
import type { Cli } from '../cli.ts';
import type { Watching } from '../options.ts';
import { progressOn, type ProgressArea } from '../render/progress.ts';
import { InteractiveFrontEnd } from './interactive.ts';
import { Narrator } from './narrator.ts';
import { linesFrom, linesOf, type Lines } from './lines.ts';
import { ScriptedFrontEnd } from './scripted.ts';
import { shellFor } from './shell.ts';

interface PersonsTerminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  /** A descriptor of it. */
  readonly terminal: number;
}

/**
 * @param interactive - standard input is the container's (`-i`), or the archive's
 * @param progress - how far a long step is may be shown
 */
export function chooseFrontEnd(
  cli: Cli,
  watching: Watching,
  interactive: boolean,
  progress = true,
): FrontEnd {
  const { stops, step, commandFile } = watching;
  const narratorOn = (output: NodeJS.WriteStream): Narrator =>
    narrator(
      cli,
      output,
      watching,
      progress ? progressOn(output, (text) => cli.guarded(output).write(text)) : undefined,
    );
  if (!stops) return quiet(() => narratorOn(process.stderr), watching.trace, progress);
  const { stdin, stderr } = process;
  const script = (lines: Lines): FrontEnd => {
    const narrator = narratorOn(stderr);
    const frontEnd = new ScriptedFrontEnd(narrator, lines, step);
    frontEnd.shell = shellFor(cli.place, (text) => narrator.line(text), undefined);
    return frontEnd;
  };
  const person = (screen: PersonsTerminal, shared: boolean): FrontEnd => {
    const { input, output, terminal } = screen;
    const narrator = narratorOn(output);
    const frontEnd = new InteractiveFrontEnd(narrator, { input, output, shared });
    const whole = { input, output, terminal, detachKeys: undefined };
    frontEnd.shell = shellFor(cli.place, (text) => narrator.line(text), whole);
    return frontEnd;
  };
  if (commandFile !== undefined) return script(linesOf(commandsIn(cli, commandFile)));
  if (stdin.isTTY && stderr.isTTY) return person({ input: stdin, output: stderr, terminal: 0 }, true);
  // Standard input is the container's, or the narration was sent elsewhere: a person may still sit at the terminal.
  const terminal = stdin.isTTY || interactive ? openTerminal(cli) : undefined;
  if (terminal !== undefined) return person(terminal, stdin.isTTY);
  return script(interactive ? linesOf('') : linesFrom(stdin));
}

function narrator(
  cli: Cli,
  output: NodeJS.WriteStream,
  { stops, step, breakpoints, trace, showEnv }: Watching,
  progress: ProgressArea | undefined,
): Narrator {
  return new Narrator({
    write: (text) => cli.guarded(output).write(text),
    ...(progress === undefined ? {} : { progress }),
    style: cli.style(output),
    steps: stops,
    cards: step && breakpoints.length === 0,
    trace,
    showEnv,
    known: { ROOT: cli.place.root, PARENT: cli.place.cgroupParent },
  });
}

/** The controlling terminal, whatever the standard streams are; undefined where there is none. */
function openTerminal(cli: Cli): PersonsTerminal | undefined {
  try {
    const open = (): number => cli.sys.openat2(AT_FDCWD, '/dev/tty', O.RDWR | O.CLOEXEC, 0, 0);
    const { ReadStream, WriteStream } = process.getBuiltinModule('node:tty');
    const terminal = open();
    return { input: new ReadStream(open()), output: new WriteStream(open()), terminal };
  } catch (error) {
    if (refusedWith(error, 'ENXIO', 'ENOENT', 'EACCES', 'EIO')) return undefined;
    throw error;
  }
}

/** Touches the standard streams only when there is something to say: to open them takes a tenth of a short run. */
function quiet(make: () => Narrator, trace: boolean, progress: boolean): FrontEnd {
  let narrator: Narrator | undefined;
  const wanted = ({ event }: EngineEvent): boolean =>
    trace || event === 'warning' || (progress && (event === 'progress' || narrator !== undefined));
  return {
    on: (event) => {
      if (!wanted(event)) return;
      narrator ??= make();
      narrator.on(event);
    },
    command: () => Promise.resolve({ command: 'continue' }),
    close: () => undefined,
  };
}

/** Read before the run begins: a name that is misspelt must not be found out at the first stop. */
export function commandsIn(cli: Cli, file: string): string {
  try {
    return cli.sys.readFile(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TsDockError(
      'bad-usage',
      `expected the --step-commands option to be a file that can be read, got ${JSON.stringify(file)}: ${why}`,
      { cause },
    );
  }
}
