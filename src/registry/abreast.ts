/** The same for many, a few at a time. The first that fails ends the others, and is what is thrown. */
export async function abreast<T>(
  items: readonly T[],
  most: number,
  signal: AbortSignal,
  act: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const control = new AbortController();
  const stop = (): void => {
    control.abort();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined && failures.length === 0; item = items[next++]) {
      try {
        await act(item, control.signal);
      } catch (error) {
        failures.push(error);
        stop();
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (failures.length > 0) throw failures[0];
}
