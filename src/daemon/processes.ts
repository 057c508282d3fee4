/** Who a process is, asked of the kernel: while nobody has reaped it yet, or by its number and the time of its start. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTimeOf } from '../kernel/append.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { RuntimeState } from './model.ts';
import type { Place } from './place.ts';

/** The name that dockerinit gives itself (native/dockerinit); a zombie still has it. */
const INIT_NAME = 'ts-dock:[INIT]';

/**
 * Whether `pid` is still dockerinit, that is: never became the user's program. A zombie has no executable any more but
 * keeps its name, and execve replaces the name.
 */
export function stillDockerinit(sys: Kernel, pid: number): boolean {
  return sys.readIfThere(`/proc/${pid.toString()}/comm`)?.trim() === INIT_NAME;
}

/** Milliseconds that an execve may take from closing the descriptors to setting the name. */
const EXECVE_PATIENCE = 2_000;

/**
 * Whether `pid` became the user's program, asked when it has closed the sync pipe. execve closes descriptors a moment
 * before it sets the name, and a dying process a moment before it is dead: what is neither yet will be one of them soon.
 */
export async function becameProgram(sys: Kernel, pid: number): Promise<boolean> {
  for (let waited = 0; stillDockerinit(sys, pid); waited += 1) {
    // Asked again: it may have become the program, and ended, since the name was read.
    if (isDead(sys, pid)) return !stillDockerinit(sys, pid);
    if (waited >= EXECVE_PATIENCE) return false;
    await pause(1);
  }
  return true;
}

function isDead(sys: Kernel, pid: number): boolean {
  const text = sys.readIfThere(`/proc/${pid.toString()}/stat`);
  return text === undefined || /^[ZX]/.test(text.slice(text.lastIndexOf(')') + 2));
}

/** Process 1 of a container as state.json names it; undefined where there is none, or it is not to be read. */
export function runtimeState(sys: Kernel, place: Place, id: string): RuntimeState | undefined {
  const text = sys.readIfThere(join(place.execdriver, id, 'state.json'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as RuntimeState;
  } catch {
    return undefined;
  }
}

export interface HeldProcess {
  readonly pid: number;
  readonly startTime: string;
  /** The caller closes it. */
  readonly pidfd: number;
}

/**
 * Holds on to process 1 of a container, whoever supervises it; undefined where it has ended. Its number alone would not
 * do: by now it may be anybody's. So the time of its start is compared, again when the pidfd is held.
 */
export function holdProcess(sys: Kernel, place: Place, id: string): HeldProcess | undefined {
  const state = runtimeState(sys, place, id);
  if (state === undefined || startTimeOf(state.init_pid) !== state.init_start_time) return undefined;
  let pidfd: number;
  try {
    pidfd = sys.pidfdOpen(state.init_pid);
  } catch (error) {
    if (refusedWith(error, 'ESRCH', 'EINVAL')) return undefined;
    throw error;
  }
  if (startTimeOf(state.init_pid) === state.init_start_time)
    return { pid: state.init_pid, startTime: state.init_start_time, pidfd };
  sys.close(pidfd);
  return undefined;
}

/** Sends a signal; false where the process has ended meanwhile. */
export function signalProcess(sys: Kernel, pidfd: number, signal: number): boolean {
  try {
    sys.pidfdSend(pidfd, signal);
    return true;
  } catch (error) {
    if (refusedWith(error, 'ESRCH')) return false;
    throw error;
  }
}
