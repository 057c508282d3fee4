import { Command } from 'commander';
import { waitForEnd } from '../../daemon/wait.ts';
import { EXIT } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';

/** `wait CONTAINER...`: waits until each has ended, and prints its exit code. */
export function waitCommand(cli: Cli): Command {
  return new Command('wait')
    .summary('wait until containers have ended')
    .description('Wait until containers have ended and are taken down, and print their exit codes.')
    .helpOption('--help', 'show this help')
    .argument('<container...>')
    .action(async (wanted: string[]) => {
      cli.requireRoot();
      await cli.recoverFirst();
      for (const name of wanted) {
        try {
          cli.print((await waitForEnd(cli.sys, cli.place, name)).toString());
        } catch (error) {
          cli.showError(error);
          cli.exitCode = EXIT.failed;
        }
      }
    });
}
