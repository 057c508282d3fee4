import { Command } from 'commander';
import { runFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import {
  addContainerFlags,
  addDebuggerFlags,
  addRemoveFlag,
  requestOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
} from '../options.ts';
import { ensureImage } from '../image.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

/** `run IMAGE [COMMAND...]`: create, start and wait for a container, in the foreground. */
export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .summary('run a container')
    .description('Create a container from an image, start it, and wait for its end.');
  addDebuggerFlags(addRemoveFlag(addContainerFlags(command)));
  return command
    .argument('<image>')
    .argument('[command...]')
    .action(async (image: string, words: string[], options: ContainerOptions & DebuggerOptions) => {
      const request = requestOf(image, words, options, cli.surroundings);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      ensureImage(cli, image);
      await walk(cli, {
        command: 'run',
        steps: runFlow,
        initial: { request },
        rm: request.hostConfig.AutoRemove,
        interactive: request.config.OpenStdin,
        watching,
        tracing,
      });
    });
}
