/** For commands that take several containers: what fails with one does not keep the others from it, and the exit code tells. */
import { EXIT } from '../engine/failure.ts';
import type { Cli } from './cli.ts';

/** Prints each name when it is done, as Docker does. */
export async function forEach(
  cli: Cli,
  names: readonly string[],
  act: (name: string) => void | Promise<void>,
): Promise<void> {
  for (const name of names) {
    try {
      await act(name);
      cli.print(name);
    } catch (error) {
      cli.showError(error);
      cli.exitCode = EXIT.failed;
    }
  }
}
