/** `--cidfile`: a file of the user's that has the id of a container in it, for scripts. */
import { TsDockError } from '../engine/failure.ts';
import { KernelError, refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';

export function writeCidFile(sys: Kernel, path: string, id: string): void {
  try {
    // Never through what is there already: it may be a link to anything.
    sys.createFile(path, id, 0o644);
    sys.chmod(path, 0o644);
  } catch (error) {
    if (refusedWith(error, 'EEXIST')) throw cidFileTaken(path);
    if (!(error instanceof KernelError)) throw error;
    throw new TsDockError('bad-usage', `cannot write the id of the container to ${path}: ${error.message}`, {
      cause: error,
    });
  }
}

export function cidFileTaken(path: string): TsDockError {
  return new TsDockError(
    'bad-usage',
    `cannot write the id of the container to ${path}: Container ID file found`,
    {
      means: 'Another container may have written it, and its id would be lost.',
      remedy: `Make sure that the other container isn't running, or delete ${path}.`,
    },
  );
}
