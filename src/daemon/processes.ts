/** Who a process is, asked of the kernel while nobody has reaped it yet. */
import type { Kernel } from '../kernel/kernel.ts';

/** The name that dockerinit gives itself (native/dockerinit); a zombie still has it. */
const INIT_NAME = 'ts-dock:[INIT]';

/**
 * Whether `pid` is still dockerinit, that is: never became the user's program. A zombie has no executable any more but
 * keeps its name, and execve replaces the name.
 */
export function stillDockerinit(sys: Kernel, pid: number): boolean {
  return sys.readIfThere(`/proc/${pid.toString()}/comm`)?.trim() === INIT_NAME;
}
