/**
 * `-o FILE` of commands that write much: whole under its name, or not there. Written beside it first, so that what had the
 * name stays until all is written; a pipe or a device that was named is written to as it is.
 */
import { basename, dirname, join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';

export async function writeOutput(
  sys: Kernel,
  file: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  const isFile = !sys.exists(file) || sys.stat(file).isFile();
  const path = isFile ? join(dirname(file), `.${basename(file)}.${randomHex(4)}`) : file;
  const flags = isFile ? O.WRONLY | O.CREAT | O.EXCL : O.WRONLY;
  const fd = asked(file, () => sys.openat2(AT_FDCWD, path, flags | O.CLOEXEC, isFile ? 0o600 : 0, 0));
  const quiet = sys.sparing(1);
  let whole = false;
  try {
    for await (const piece of pieces)
      for (let at = 0; at < piece.length;) at += asked(file, () => quiet.writeFd(fd, piece.subarray(at)));
    if (isFile) asked(file, () => sys.rename(path, file));
    whole = true;
  } finally {
    sys.close(fd);
    if (!whole && isFile) sys.unlink(path);
  }
}

function asked<T>(file: string, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    throw new TsDockError('bad-usage', `cannot write ${JSON.stringify(file)}: ${cause.code}`, {
      means: `${cause.message}. What there was under this name is as it was.`,
      cause,
    });
  }
}
