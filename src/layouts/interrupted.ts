/** A long read ends when somebody asks for the end of the run. */
import { TsDockError } from '../engine/failure.ts';

/** How many parts of an archive go over before a signal is listened for. */
const PARTS = 32;

/** Reading and writing files does not wait for anything, and a signal is heard only by who waits. */
export async function* breathing(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts = 0;
  for await (const part of tar) {
    if (++parts % PARTS === 0) await new Promise(setImmediate);
    yield part;
  }
}

export async function* untilInterrupted(
  source: AsyncIterable<Uint8Array>,
  interruption: Promise<void>,
): AsyncGenerator<Uint8Array> {
  let asked = false;
  let stop: () => void = () => undefined;
  // Once: whoever asked that promise at each piece would leave it a listener at each piece.
  void interruption.then(() => {
    asked = true;
    stop();
  });
  const iterator = source[Symbol.asyncIterator]();
  const next = (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      // A pipe that nobody writes to must not keep us either.
      stop = () => {
        reject(new TsDockError('interrupted', 'somebody asked for the end'));
      };
      if (asked) stop();
      else iterator.next().then(resolve, reject);
    });
  try {
    for (;;) {
      const piece = await next();
      if (piece.done === true) return;
      yield piece.value;
    }
  } finally {
    // Not waited for: what is being read may never come.
    void iterator.return?.().catch(() => undefined);
  }
}
