/** A tar archive on our standard streams. */
import type { CopyStream } from '../../flows/values.ts';
import type { Cli } from '../cli.ts';
import { writeTo } from './pipes.ts';

export function tarInput(): CopyStream {
  return { read: () => process.stdin as AsyncIterable<Uint8Array>, write: () => undefined };
}

/** Waits for a slow reader; without one, what is written is lost, as with any command before `| head`. */
export function tarOutput(cli: Cli): CopyStream {
  return { read: none, write: (bytes) => writeTo(cli, process.stdout, Buffer.from(bytes)) };
}

async function* none(): AsyncGenerator<Uint8Array> {
  // Nothing comes from an output.
}
