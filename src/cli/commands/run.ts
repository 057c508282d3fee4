import { Command } from 'commander';
import { runFlow } from '../../flows/run.ts';
import type { Cli } from '../cli.ts';
import {
  addContainerFlags,
  addDebuggerFlags,
  addProxyFlag,
  addRemoveFlag,
  requestOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
  type ProxyOption,
} from '../options.ts';
import { withCidFile } from '../cid-file.ts';
import { ensureImage } from '../image.ts';
import { walk } from '../walk.ts';

/** `run IMAGE [COMMAND...]`: create, start and wait for a container, in the foreground. */
export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .summary('run a container')
    .description('Create a container from an image, start it, and wait for its end.');
  addDebuggerFlags(addProxyFlag(addRemoveFlag(addContainerFlags(command))));
  return command
    .argument('<image>')
    .argument('[command...]')
    .action(
      async (image: string, words: string[], options: ContainerOptions & DebuggerOptions & ProxyOption) => {
        const request = requestOf(image, words, options, cli.surroundings);
        const watching = watchingOf(options);
        cli.requireRoot();
        ensureImage(cli, image);
        const keepSignals = options.sigProxy === false;
        await withCidFile(cli, request.hostConfig.ContainerIDFile, () =>
          walk(cli, {
            command: 'run',
            steps: runFlow,
            initial: { request },
            rm: request.hostConfig.AutoRemove,
            interactive: request.config.OpenStdin,
            watching,
            keepSignals,
          }),
        );
      },
    );
}
