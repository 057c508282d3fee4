/** A tar archive on our standard streams. */
import { TsDockError } from '../../engine/failure.ts';
import type { CopyStream } from '../../flows/values.ts';
import type { Cli } from '../cli.ts';
import { refusedWith } from '../../kernel/calls.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';
import { writeTo } from './pipes.ts';

export function tarInput(): CopyStream {
  return { read: () => process.stdin as AsyncIterable<Uint8Array>, write: () => undefined };
}

/** Waits for a slow reader; without one, what is written is lost, as with any command before `| head`. */
export function tarOutput(cli: Cli): CopyStream {
  return { read: none, write: (bytes) => writeTo(cli, process.stdout, Buffer.from(bytes)) };
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function* none(): AsyncGenerator<Uint8Array> {
  // Nothing comes from an output.
}

/** An archive that becomes a file of this name when it is whole, and leaves nothing behind when it is not. */
export function fileOutput(cli: Cli, path: string): CopyStream & { keep(): void; close(): void } {
  const { sys } = cli;
  // What would be renamed away is not a file of the caller's: /dev/null is root's to replace.
  const there = ifThere(() => sys.stat(path));
  if (there !== undefined && !there.isFile())
    throw new TsDockError('bad-usage', `cannot write the archive to ${path}: it is not a file`, {
      remedy: 'Name a file, or leave -o away for standard output.',
    });
  const temporary = `${path}.${process.pid.toString()}.partial`;
  const flags = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC;
  const fd = sys.openat2(AT_FDCWD, temporary, flags, 0o600, 0);
  let kept = false;
  return {
    read: none,
    write: (bytes) => {
      for (let at = 0; at < bytes.length;) at += sys.writeFd(fd, bytes.subarray(at));
      return undefined;
    },
    keep: () => {
      sys.rename(temporary, path);
      kept = true;
    },
    close: () => {
      sys.close(fd);
      if (!kept) sys.unlink(temporary);
    },
  };
}
