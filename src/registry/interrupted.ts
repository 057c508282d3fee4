/** A long wait on the network that ends when somebody asks for the end. */
import { TsDockError } from '../engine/failure.ts';
import { HttpError } from '../kernel/http.ts';

/** @throws TsDockError `interrupted` in place of what breaking it off throws. */
export async function unlessInterrupted<T>(
  interruption: Promise<void>,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const control = new AbortController();
  let over = false;
  void interruption.then(() => {
    if (!over) control.abort();
  });
  try {
    return await act(control.signal);
  } catch (error) {
    if (error instanceof HttpError && error.code === 'ABORTED')
      throw new TsDockError('interrupted', 'somebody asked for the end', { cause: error });
    throw error;
  } finally {
    over = true;
  }
}
