import { Command } from 'commander';
import { createFlow } from '../../flows/create.ts';
import type { Cli } from '../cli.ts';
import { withCidFile } from '../cid-file.ts';
import { ensureImage } from '../image.ts';
import {
  addContainerFlags,
  addDebuggerFlags,
  requestOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
} from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

/** `create IMAGE [COMMAND...]`: a container on disk, whose id goes to standard output. */
export function createCommand(cli: Cli): Command {
  const command = new Command('create')
    .summary('create a container without starting it')
    .description('Create a container from an image and print its id.');
  addDebuggerFlags(addContainerFlags(command));
  return command
    .argument('<image>')
    .argument('[command...]')
    .action(async (image: string, words: string[], options: ContainerOptions & DebuggerOptions) => {
      const request = requestOf(image, words, options, cli.surroundings);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      ensureImage(cli, image);
      const { values } = await withCidFile(cli, request.hostConfig.ContainerIDFile, () =>
        walk(cli, {
          command: 'create',
          steps: createFlow,
          initial: { request },
          rm: false,
          interactive: false,
          watching,
          tracing,
        }),
      );
      if (values.registered !== undefined && cli.exitCode === 0) cli.print(values.registered.id);
    });
}
