import { Command } from 'commander';
import { TsDockError } from '../../engine/failure.ts';
import { applyInstructions } from '../../daemon/instructions.ts';
import { DEFAULT_TAG, parseReference } from '../../daemon/reference.ts';
import { commitFlow } from '../../flows/commit.ts';
import type { CommitRequest } from '../../flows/values.ts';
import type { Cli } from '../cli.ts';
import { addDebuggerFlags, all, watchingOf, type DebuggerOptions } from '../options.ts';
import * as value from '../option-values.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

interface CommitOptions extends DebuggerOptions {
  readonly author?: string;
  readonly message?: string;
  readonly change?: readonly string[];
  readonly pause?: boolean;
}

/** `commit CONTAINER [REPOSITORY[:TAG]]`: an image of what it has written. */
export function commitCommand(cli: Cli): Command {
  const command = new Command('commit')
    .summary('make an image of what a container has written')
    .description('Make an image of what a container has written, and print its id.')
    .helpOption('--help', 'show this help')
    .option('-a, --author <author>', 'who made it')
    .option('-m, --message <text>', 'what it is about')
    .option('-c, --change <instruction>', 'as a line of a Dockerfile: CMD ["sh"]; repeatable', all)
    .option('-p, --pause <boolean>', 'let the container stand still meanwhile (true)', (text: string) =>
      // Docker's spelling of the short one is -p=false.
      value.boolean('--pause', text.replace(/^=/, '')),
    );
  return addDebuggerFlags(command)
    .argument('<container>')
    .argument('[name]', 'REPOSITORY[:TAG] for the image')
    .action(async (wanted: string, name: string | undefined, options: CommitOptions) => {
      const commitRequest: CommitRequest = {
        author: options.author ?? '',
        message: options.message ?? '',
        changes: options.change ?? [],
        pause: options.pause ?? true,
        name: name === undefined ? null : nameOf(name),
      };
      // What is wrong with one is found out before anything is done.
      applyInstructions({ config: {} }, commitRequest.changes);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      const { values, error } = await walk(cli, {
        command: 'commit',
        steps: commitFlow,
        initial: { wanted, commitRequest },
        rm: false,
        interactive: false,
        watching,
        tracing,
      });
      if (error === undefined && values.tagged !== undefined && values.committed !== undefined)
        cli.print(`sha256:${values.committed.id}`);
    });
}

function nameOf(text: string): { readonly repository: string; readonly tag: string } {
  const { repository, tag, digest } = parseReference(text);
  if (digest !== '')
    throw new TsDockError(
      'bad-usage',
      `cannot name an image ${JSON.stringify(text)}: a digest is not given but made`,
      {
        remedy: 'Write REPOSITORY or REPOSITORY:TAG.',
      },
    );
  return { repository, tag: tag === '' ? DEFAULT_TAG : tag };
}
