/** A container without a terminal, joined to our standard streams through its monitor. Nothing is lost, and nothing piles up. */
import type { Attachment } from '../../daemon/attachment.ts';
import type { Ended } from '../../kernel/binding.ts';
import type { Cli } from '../cli.ts';

export interface Joined {
  /** All that the container said has been written. Undefined where nobody learned how it ended, or it goes on. */
  readonly over: Promise<Ended | undefined>;
  /** Leaves our streams as they were. Idempotent. */
  stop(): void;
}

/** @param input - our standard input goes to the container */
export function joinPipes(cli: Cli, attachment: Attachment, input: boolean): Joined {
  const { stdin } = process;
  const heard = (bytes: Buffer): void => {
    stdin.pause();
    void (attachment.write(bytes) ?? Promise.resolve()).then(() => {
      if (!stopped) stdin.resume();
    });
  };
  const end = (): void => {
    attachment.endInput();
  };
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    leave(undefined);
    if (!input) return;
    stdin.off('data', heard).off('end', end).pause();
    // A file as standard input has no `unref`.
    (stdin as Partial<NodeJS.ReadStream>).unref?.();
  };
  if (input) stdin.on('data', heard).on('end', end);
  let leave: (ended: Ended | undefined) => void = () => undefined;
  const over = new Promise<Ended | undefined>((resolve) => {
    leave = resolve;
    attachment.start({
      output: (stream, bytes) => writeTo(cli, stream === 'out' ? process.stdout : process.stderr, bytes),
      ended: (ended) => {
        resolve(ended);
        stop();
      },
    });
  });
  return { over, stop };
}

/** A promise where the stream has no room; a reader that went away hears nothing more, and the container goes on. */
export function writeTo(cli: Cli, stream: NodeJS.WriteStream, bytes: Buffer): Promise<void> | undefined {
  if (cli.guarded(stream).write(bytes) || stream.destroyed) return undefined;
  return new Promise((resolve) => {
    // Both go: what stayed at each piece of a long archive would be a thousand listeners.
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}
