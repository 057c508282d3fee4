import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import type { Container } from '../../daemon/model.ts';
import { attachedStartFlow, detachedStartFlow, startFlow, UNSUPERVISED } from '../../flows/run.ts';
import { startAgain } from '../again.ts';
import type { Cli } from '../cli.ts';
import {
  addDebuggerFlags,
  addDetachKeys,
  addProxyFlag,
  detachKeysOf,
  watchingOf,
  type DebuggerOptions,
  type ProxyOption,
} from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk, type Walk } from '../walk.ts';
import { noTerminal } from './run.ts';

interface StartOptions {
  readonly attach?: boolean;
  readonly interactive?: boolean;
  readonly detachKeys?: string;
}

/** `start CONTAINER`: starts a created or ended container, and leaves it running; with -a, waits for its end. */
export function startCommand(cli: Cli): Command {
  const command = new Command('start')
    .summary('start a container')
    .description('Start a container that was created or has ended; with -a, wait for its end.')
    .helpOption('--help', 'show this help')
    .option('-a, --attach', 'show what it says, and wait for its end')
    .option('-i, --interactive', 'pass standard input on to it as well');
  addDebuggerFlags(addProxyFlag(addDetachKeys(command)));
  return command
    .argument('<container>')
    .action(async (wanted: string, options: StartOptions & DebuggerOptions & ProxyOption) => {
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      await cli.recoverFirst();
      const { container, hostConfig } = findContainer(cli.sys, cli.place, wanted);
      const manner = mannerOf(container, options);
      const outcome = await walk(cli, {
        ...manner,
        command: 'start',
        rm: hostConfig.AutoRemove,
        watching,
        tracing,
        keepSignals: options.sigProxy === false,
      });
      if (outcome.left && manner.streams === undefined) cli.print(wanted);
      startAgain(cli, outcome);
    });
}

type Manner = Pick<Walk, 'steps' | 'initial' | 'supervised' | 'streams' | 'interactive'>;

function mannerOf(
  { ID, Config }: Container,
  { attach, interactive, detachKeys, record }: StartOptions & DebuggerOptions,
): Manner {
  const wanted = ID;
  if (attach !== true && interactive !== true)
    return { steps: detachedStartFlow, initial: { wanted }, supervised: true, interactive: false };
  const input = interactive === true && Config.OpenStdin;
  const tty = Config.Tty;
  if (!tty && record !== undefined)
    return { steps: startFlow, initial: { wanted, ...UNSUPERVISED }, interactive: input };
  if (tty && input && !process.stdin.isTTY) throw noTerminal();
  const streams = { tty, input, detachKeys: detachKeysOf(detachKeys) };
  return {
    steps: attachedStartFlow,
    initial: { wanted },
    supervised: true,
    streams,
    interactive: input || tty,
  };
}
