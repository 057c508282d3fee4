import { Command } from 'commander';
import { EXIT } from '../../engine/failure.ts';
import type { FrontEnd } from '../../engine/frontend.ts';
import { Breakpoints } from '../../engine/pauses.ts';
import { Player } from '../../replay/player.ts';
import { readRecording, type Recording } from '../../replay/read.ts';
import { Tape } from '../../replay/tape.ts';
import type { Cli } from '../cli.ts';
import { all } from '../options.ts';
import { cardOf } from '../render/cards-file.ts';
import { shown } from '../render/text.ts';
import { commandsIn } from '../terminal/choose.ts';
import { REPLAY_WORDS } from '../terminal/commands.ts';
import { InteractiveFrontEnd } from '../terminal/interactive.ts';
import { linesFrom, linesOf } from '../terminal/lines.ts';
import { Narrator } from '../terminal/narrator.ts';
import { ScriptedFrontEnd } from '../terminal/scripted.ts';

interface Options {
  readonly stepCommands?: string;
  readonly break?: readonly string[];
  readonly all?: boolean;
}

/** `replay FILE`: a recorded run, forwards and backwards. Asks the system for nothing but the file. */
export function replayCommand(cli: Cli): Command {
  return new Command('replay')
    .summary('step through a recorded run, forwards and backwards')
    .description('Step through a run that was recorded with --record, forwards and backwards.')
    .helpOption('--help', 'show this help')
    .argument('<recording>')
    .option('--break <step>', 'stop first at STEP, STEP:after or start.* (repeatable)', all)
    .option('--step-commands <file>', 'take the commands from a file, one a line')
    .option('--all', 'show all of it, and ask nothing')
    .action(async (file: string, options: Options) => {
      const recording = readRecording(file);
      const ids = recording.header.steps.map(({ id }) => id);
      const breakpoints = new Breakpoints(options.break ?? [], true, ids);
      const narrator = narratorFor(cli, recording, options);
      const frontEnd = frontEndFor(cli, narrator, options);
      try {
        narrator.line(heading(recording));
        await new Player(new Tape(recording), { frontEnd, breakpoints, cardOf }).play();
      } finally {
        frontEnd.close();
      }
      if (recording.cutAfter === undefined) return;
      cli.say(`ts-dock: ${cutText(recording.cutAfter)}`);
      cli.exitCode = EXIT.cut;
    });
}

function narratorFor(cli: Cli, { header }: Recording, options: Options): Narrator {
  const { stdout } = process;
  return new Narrator({
    write: (text) => cli.guarded(stdout).write(text),
    style: cli.style(stdout),
    steps: true,
    cards: (options.break ?? []).length === 0,
    trace: false,
    showEnv: header.showEnv,
    known: header.known,
  });
}

function frontEndFor(
  cli: Cli,
  narrator: Narrator,
  { stepCommands, all: everything, break: breaks = [] }: Options,
): FrontEnd {
  const { stdin, stdout } = process;
  if (everything !== true && stepCommands === undefined && stdin.isTTY && stdout.isTTY)
    return new InteractiveFrontEnd(narrator, { input: stdin, output: stdout, shared: false }, REPLAY_WORDS);
  const lines =
    stepCommands !== undefined
      ? linesOf(commandsIn(cli, stepCommands))
      : everything === true || stdin.isTTY
        ? linesOf('')
        : linesFrom(stdin);
  return new ScriptedFrontEnd(narrator, lines, breaks.length === 0, REPLAY_WORDS);
}

/** What this is, before anything else. */
function heading({ header, cutAfter }: Recording): string {
  const { words, when, kernel, version, output } = header;
  const missing = (['stdout', 'stderr'] as const).filter((stream) => !output.includes(stream));
  return [
    shown(`recording of: ts-dock ${words.join(' ')}`),
    shown(`recorded ${when.slice(0, 16).replace('T', ' ')} UTC on ${kernel}, by ts-dock ${version}`),
    ...(missing.length === 0
      ? []
      : [`without the program's ${missing.join(' and ')}, which went to a terminal`]),
    ...(cutAfter === undefined ? [] : [cutText(cutAfter)]),
    '',
  ].join('\n');
}

function cutText(line: number): string {
  return `this recording was cut: it is whole up to line ${line.toString()}, and shown up to there`;
}
