/** The container that `exec` joins: whether it can be joined at all, and its first process, held so that it stays that one. */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { ExecTarget } from '../flows/values.ts';
import { startTimeOf } from '../kernel/append.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { StoredContainer } from './containers.ts';
import type { RuntimeState } from './model.ts';
import type { Place } from './place.ts';
import { stillDockerinit } from './processes.ts';

/** The namespaces that a process of `exec` shares with the container. */
export const JOINED = ['ipc', 'mnt', 'net', 'pid', 'uts'] as const;

/** The first process of a container that runs. `cannot`: what is refused otherwise, e.g. `cannot join web`. */
export function runningTarget(
  sys: Kernel,
  place: Place,
  { container }: StoredContainer,
  cannot: string,
): ExecTarget {
  const text = sys.readIfThere(join(place.execdriver, container.ID, 'state.json'));
  if (text === undefined) throw notRunning(cannot);
  const state = JSON.parse(text) as RuntimeState;
  const target = {
    pid: state.init_pid,
    startTime: state.init_start_time,
    cgroupPaths: state.cgroup_paths,
  };
  if (startTimeOf(target.pid) !== target.startTime) throw notRunning(cannot);
  if (!container.State.Running || stillDockerinit(sys, target.pid))
    throw new TsDockError('not-running', `${cannot}: it is still being started`, {
      remedy: 'Try again when `ts-dock ps` lists it.',
    });
  return target;
}

export function execTarget(sys: Kernel, place: Place, stored: StoredContainer, wanted: string): ExecTarget {
  const target = runningTarget(sys, place, stored, `cannot join ${wanted}`);
  if (isFrozen(sys, target.cgroupPaths))
    throw new TsDockError('paused', `cannot join ${wanted}: it is paused`, {
      means: 'A process that joins its cgroups would stand still as well.',
      remedy: 'Unpause it first.',
    });
  return target;
}

function notRunning(cannot: string): TsDockError {
  return new TsDockError('not-running', `${cannot}: the container is not running`, {
    means: 'Nothing of it is left but its files: namespaces end with the last process in them.',
    remedy: '`ts-dock start` starts it, `ts-dock ps` shows what runs.',
  });
}

function isFrozen(sys: Kernel, paths: ExecTarget['cgroupPaths']): boolean {
  const { freezer, unified } = paths;
  if (freezer !== undefined)
    return sys.readIfThere(join(freezer, 'freezer.state'))?.trim().startsWith('FR') === true;
  return unified !== undefined && sys.readIfThere(join(unified, 'cgroup.freeze'))?.trim() === '1';
}

/** A pidfd of the target. A pid may name another process by the time it is opened: the start time is looked at on both sides. */
export function holdTarget(
  sys: Kernel,
  { pid, startTime }: ExecTarget,
  wanted: string,
): { pidfd: number; namespaces: Record<string, string> } {
  let pidfd: number;
  try {
    pidfd = sys.pidfdOpen(pid);
  } catch (error) {
    if (refusedWith(error, 'ESRCH')) throw notRunning(`cannot join ${wanted}`);
    throw error;
  }
  try {
    const namespaces = namespacesOf(sys, pid);
    if (startTimeOf(pid) !== startTime) throw notRunning(`cannot join ${wanted}`);
    return { pidfd, namespaces };
  } catch (error) {
    sys.close(pidfd);
    throw refusedWith(error, 'ENOENT', 'ESRCH') ? notRunning(`cannot join ${wanted}`) : error;
  }
}

export function namespacesOf(sys: Kernel, pid: number): Record<string, string> {
  return Object.fromEntries(JOINED.map((name) => [name, sys.readlink(`/proc/${pid.toString()}/ns/${name}`)]));
}

/** The pid of a pidfd as this process sees it, asked of the kernel; undefined when the process is gone or out of sight. */
export function pidOf(sys: Kernel, pidfd: number): number | undefined {
  const pid = Number(/^Pid:\t(-?\d+)$/m.exec(sys.readFile(`/proc/self/fdinfo/${pidfd.toString()}`))?.[1]);
  return pid > 0 ? pid : undefined;
}
