import { Command } from 'commander';
import { findContainer } from '../../daemon/containers.ts';
import { TsDockError } from '../../engine/failure.ts';
import { removeWithContainer } from '../../engine/recovery.ts';
import type { Cli } from '../cli.ts';

/** `rm CONTAINER...`: undoes what belongs to containers that have ended. */
export function rmCommand(cli: Cli): Command {
  return new Command('rm')
    .summary('remove containers')
    .description('Remove containers that do not run: their layers, their files, their names.')
    .helpOption('--help', 'show this help')
    .argument('<container...>')
    .action(async (wanted: string[]) => {
      cli.requireRoot();
      await cli.recoverFirst();
      for (const reference of wanted) {
        try {
          await remove(cli, reference);
          cli.print(reference);
        } catch (error) {
          // As Docker: the others are removed all the same, and the exit code tells.
          cli.showError(error);
          cli.exitCode = 1;
        }
      }
    });
}

async function remove(cli: Cli, reference: string): Promise<void> {
  const { container } = findContainer(cli.sys, cli.place, reference);
  if (container.State.Running) {
    throw new TsDockError('still-running', `cannot remove ${reference}: it is running`, {
      means: 'Its filesystem is mounted and its process uses it.',
      remedy: 'End it first.',
    });
  }
  const failed = await removeWithContainer(cli.sys, cli.place, container.ID, () => undefined);
  const [first] = failed;
  if (first !== undefined)
    throw new TsDockError('still-running', `cannot remove all of ${reference}: ${first.error}`, {
      remedy: 'Try again; `ts-dock recover` goes on with what is left.',
    });
}
