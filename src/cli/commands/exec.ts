import { Command } from 'commander';
import { TsDockError } from '../../engine/failure.ts';
import { execDetachedFlow, execFlow } from '../../flows/exec.ts';
import type { ExecRequest } from '../../flows/values.ts';
import type { Cli } from '../cli.ts';
import { environmentOf } from '../environment.ts';
import {
  addDebuggerFlags,
  addDetachKeys,
  addProgramFlags,
  detachKeysOf,
  watchingOf,
  type DebuggerOptions,
} from '../options.ts';
import * as value from '../option-values.ts';
import { joinerFor } from '../terminal/joiner.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

interface ExecOptions extends DebuggerOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly detachKeys?: string;
}

/** `exec CONTAINER COMMAND...`: a further program in a container that runs. */
export function execCommand(cli: Cli): Command {
  const command = new Command('exec')
    .summary('run a program in a container that runs')
    .description('Run a further program in a container that runs, and wait for its end.')
    .helpOption('--help', 'show this help')
    .passThroughOptions()
    .optionsGroup('What runs:')
    .option('-i, --interactive', 'pass standard input on to the program')
    .option('-t, --tty', 'give it a terminal of its own')
    .option('-d, --detach', 'do not wait for its end');
  return addDebuggerFlags(addDetachKeys(addProgramFlags(command)))
    .argument('<container>')
    .argument('<command...>')
    .action(async (wanted: string, words: string[], options: ExecOptions) => {
      const execRequest = requestOf(cli, words, options);
      const detachKeys = detachKeysOf(options.detachKeys);
      const interactive = options.interactive === true;
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      await walk(cli, {
        command: 'exec',
        steps: execRequest.detach ? execDetachedFlow : execFlow,
        initial: {
          wanted,
          execRequest,
          terminalJoiner: execRequest.tty ? joinerFor(cli, { interactive, detachKeys }) : null,
        },
        rm: false,
        interactive,
        watching,
        tracing,
      });
    });
}

function requestOf(cli: Cli, command: readonly string[], options: ExecOptions): ExecRequest {
  const { env, envFile, workdir, user } = options;
  const tty = options.tty === true;
  const detach = options.detach === true;
  if (command[0] === '') throw value.expected('COMMAND', 'the name of a program', '');
  if (detach && (tty || options.interactive === true))
    throw new TsDockError('bad-usage', 'cannot use --detach together with --tty or --interactive', {
      means: 'Nobody is left to look on, or to pass standard input on.',
      remedy: 'Leave one of them away.',
    });
  if (tty && options.interactive === true && !process.stdin.isTTY)
    throw new TsDockError('bad-usage', 'cannot use --tty: the input device is not a TTY', {
      remedy: 'With -i alone, standard input may be a pipe or a file.',
    });
  return {
    command,
    env: environmentOf({ env: env ?? [], envFile: envFile ?? [] }, cli.surroundings.env, (path) =>
      cli.surroundings.readFile(path),
    ),
    user: user === undefined ? '' : value.user('--user', user),
    workingDir: workdir === undefined ? '' : value.workdir('--workdir', workdir),
    tty,
    detach,
  };
}
