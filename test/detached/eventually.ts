/** Waits for what another process does in its own time: asks again, less and less often, until it is so. */
import { setTimeout as pause } from 'node:timers/promises';

/** What `look` said when it was right; what it said last, where it never was. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  right: (seen: T) => boolean,
  patience = 10_000,
): Promise<T> {
  const end = performance.now() + patience;
  for (let wait = 2; ; wait = Math.min(wait * 2, 100)) {
    const seen = await look();
    if (right(seen)) return seen;
    if (performance.now() > end) throw new Error(`it never came to be; last seen: ${JSON.stringify(seen)}`);
    await pause(wait);
  }
}
