/** A long read ends when somebody asks for the end of the run. */
import { TsDockError } from '../engine/failure.ts';

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
