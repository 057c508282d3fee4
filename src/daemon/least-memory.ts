/** The least that memory can be limited to. */
import { TsDockError } from '../engine/failure.ts';

/** Docker 1.2.0's: 512 KiB. Below it not even the kernel's own bookkeeping fits. */
export const LEAST_MEMORY = 512 * 1024;

export function tooLittleMemory(bytes: number): TsDockError {
  return new TsDockError(
    'limit',
    `cannot limit memory to ${bytes.toString()} bytes: Minimum memory limit allowed is 512k`,
    {
      means: 'With less, not even the first process could start.',
      remedy: 'Give -m at least 512k; most programs need some megabytes.',
    },
  );
}
