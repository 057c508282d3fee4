import { Command } from 'commander';
import { createFlow } from '../../flows/create.ts';
import type { Cli } from '../cli.ts';
import { withCidFile } from '../cid-file.ts';
import { imageOrPull, withoutPull } from '../image.ts';
import {
  addContainerFlags,
  addDebuggerFlags,
  requestOf,
  pullWhenOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
  type PullOption,
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
    .action(
      async (image: string, words: string[], options: ContainerOptions & DebuggerOptions & PullOption) => {
        const request = requestOf(image, words, options, cli.surroundings);
        const watching = watchingOf(options);
        const tracing = tracingOf(options, cli.surroundings.env);
        const when = pullWhenOf(options);
        cli.requireRoot();
        if (
          !(await imageOrPull(cli, image, { when, watching, tracing, interactive: request.config.OpenStdin }))
        )
          return;
        const { values } = await withCidFile(cli, request.hostConfig.ContainerIDFile, () =>
          walk(cli, {
            command: 'create',
            steps: createFlow,
            initial: { request },
            rm: false,
            interactive: false,
            watching: withoutPull(watching),
            tracing,
          }),
        );
        if (values.registered !== undefined && cli.exitCode === 0) cli.print(values.registered.id);
      },
    );
}
