import { Command } from 'commander';
import { TsDockError } from '../../engine/failure.ts';
import { attachedRunFlow, detachedRunFlow, runFlow, UNSUPERVISED } from '../../flows/run.ts';
import type { CreateRequest } from '../../daemon/model.ts';
import { startAgain } from '../again.ts';
import type { Cli } from '../cli.ts';
import {
  addContainerFlags,
  addDebuggerFlags,
  addProxyFlag,
  addRunFlags,
  detachKeysOf,
  requestOf,
  pullWhenOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
  type PullOption,
  type ProxyOption,
} from '../options.ts';
import { withCidFile } from '../cid-file.ts';
import { imageOrPull, withoutPull } from '../image.ts';
import { tracingOf } from '../tracing.ts';
import { walk, type Walk } from '../walk.ts';

/** `run IMAGE [COMMAND...]`: create and start a container; wait for its end, or leave it running. */
export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .summary('run a container')
    .description(
      'Create a container from an image, start it, and wait for its end; with -d, leave it running.',
    );
  addDebuggerFlags(addProxyFlag(addRunFlags(addContainerFlags(command))));
  return command
    .argument('<image>')
    .argument('[command...]')
    .action(
      async (
        image: string,
        words: string[],
        options: ContainerOptions & DebuggerOptions & ProxyOption & PullOption,
      ) => {
        const request = requestOf(image, words, options, cli.surroundings);
        const watching = watchingOf(options);
        const tracing = tracingOf(options, cli.surroundings.env);
        const manner = mannerOf(request, options);
        const when = pullWhenOf(options);
        cli.requireRoot();
        if (
          !(await imageOrPull(cli, image, { when, watching, tracing, interactive: request.config.OpenStdin }))
        )
          return;
        const keepSignals = options.sigProxy === false;
        const outcome = await withCidFile(cli, request.hostConfig.ContainerIDFile, () =>
          walk(cli, {
            ...manner,
            command: 'run',
            rm: request.hostConfig.AutoRemove,
            watching: withoutPull(watching),
            tracing,
            keepSignals,
          }),
        );
        if (outcome.left && options.detach === true) cli.print(outcome.values.identity?.id ?? '');
        startAgain(cli, outcome);
      },
    );
}

type Manner = Pick<Walk, 'steps' | 'initial' | 'supervised' | 'streams' | 'interactive'>;

/**
 * Whether anybody looks, and whose child the container is. One that goes with its command, and has no terminal, needs no
 * monitor: its streams are ours, and the shortest way; so are those of one that is recorded. What stays has a log, and outlives a command that is killed.
 */
function mannerOf(
  request: CreateRequest,
  { detach, detachKeys, record }: ContainerOptions & DebuggerOptions,
): Manner {
  const { Tty: tty, OpenStdin: input } = request.config;
  if (detach === true)
    return { steps: detachedRunFlow, initial: { request }, supervised: true, interactive: false };
  if (!tty && (request.hostConfig.AutoRemove || record !== undefined))
    return { steps: runFlow, initial: { request, ...UNSUPERVISED }, interactive: input };
  if (tty && input && !process.stdin.isTTY) throw noTerminal();
  const streams = { tty, input, detachKeys: detachKeysOf(detachKeys) };
  return {
    steps: attachedRunFlow,
    initial: { request },
    supervised: true,
    streams,
    interactive: input || tty,
  };
}

export function noTerminal(): TsDockError {
  return new TsDockError('bad-usage', 'cannot use -i together with -t: the input device is not a TTY', {
    means: 'What comes over a pipe or from a file was typed by nobody, and cannot be a terminal.',
    remedy: 'Leave -t away, or do it at a terminal.',
  });
}
