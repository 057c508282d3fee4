/** The exit code of a container, as the shell and Docker (since 1.6; 1.2.0 said -1) word a death by signal. */
import type { Ended } from '../kernel/binding.ts';

export function exitCodeOf(ended: Pick<Ended, 'how' | 'status'>): number {
  return ended.how === 'exited' ? ended.status : 128 + ended.status;
}
