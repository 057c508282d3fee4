/**
 * The freezer: all processes of a container's cgroup stand still, wherever they are. v1 has a file `freezer.state` in a
 * hierarchy of its own, v2 a file `cgroup.freeze` in every group and says in `cgroup.events` when it is done.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { hierarchies } from './cgroups.ts';

const PATIENCE_MS = 10_000;
/** After so many looks in vain it is thawed for a moment: a process that is being born can hold the freezer up for ever (v1). */
const LOOKS = 25;

interface Freezer {
  readonly version: 'v1' | 'v2';
  readonly group: string;
}

function freezerOf(sys: Kernel, parent: string, name: string): Freezer | undefined {
  const { version, list } = hierarchies(sys);
  const found = list.find(({ controllers }) => version === 'v2' || controllers.includes('freezer'));
  if (version === 'none' || found === undefined) return undefined;
  return { version, group: join(found.mount, parent, name) };
}

/** Whether the kernel says that it is frozen, or on its way there. */
export function isFrozen(sys: Kernel, parent: string, name: string): boolean {
  const freezer = freezerOf(sys, parent, name);
  return freezer !== undefined && ['frozen', 'freezing'].includes(stateOf(sys, freezer));
}

function stateOf(sys: Kernel, { version, group }: Freezer): 'frozen' | 'freezing' | 'thawed' | 'gone' {
  try {
    if (version === 'v1') {
      const text = sys.readFile(join(group, 'freezer.state')).trim();
      return text === 'FROZEN' ? 'frozen' : text === 'FREEZING' ? 'freezing' : 'thawed';
    }
    if (sys.readFile(join(group, 'cgroup.freeze')).trim() !== '1') return 'thawed';
    return /^frozen 1$/m.test(sys.readFile(join(group, 'cgroup.events'))) ? 'frozen' : 'freezing';
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENODEV')) return 'gone';
    throw error;
  }
}

function write(sys: Kernel, { version, group }: Freezer, frozen: boolean): void {
  if (version === 'v1') sys.writeFile(join(group, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
  else sys.writeFile(join(group, 'cgroup.freeze'), frozen ? '1' : '0');
}

/** Freezes the group and waits until the kernel says that all stand still. Thaws again where that does not come true. */
export async function freeze(sys: Kernel, parent: string, name: string): Promise<void> {
  const freezer = freezerOf(sys, parent, name);
  if (freezer === undefined)
    throw new TsDockError('missing-feature', 'cannot pause it: this host has no freezer cgroup', {
      means: 'The freezer hierarchy of cgroup v1 is not mounted, and there is no cgroup v2.',
      remedy: 'Mount it: `mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer`.',
    });
  const deadline = Date.now() + PATIENCE_MS;
  try {
    write(sys, freezer, true);
    for (let look = 1, wait = 1; ; look += 1, wait = Math.min(wait * 2, 20)) {
      const state = stateOf(sys, freezer);
      if (state === 'frozen') return;
      if (state === 'gone') throw ended();
      if (Date.now() > deadline) break;
      if (look % LOOKS === 0) write(sys, freezer, false);
      // The v1 freezer has no event, and goes on only when it is asked again.
      await pause(wait);
      write(sys, freezer, true);
    }
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENODEV')) throw ended();
    throw error;
  }
  write(sys, freezer, false);
  throw new TsDockError(
    'still-running',
    'cannot pause it: the kernel could not freeze all of its processes',
    {
      means: 'One of them waits within the kernel, usually for a disk. It was thawed again.',
      remedy: 'Try again later.',
    },
  );
}

function ended(): TsDockError {
  return new TsDockError('not-running', 'cannot pause it: it has just ended');
}

/** Thaws the group. What is not there, or not frozen, is thawed already; gives whether there was something to thaw. */
export function thaw(sys: Kernel, parent: string, name: string): boolean {
  const freezer = freezerOf(sys, parent, name);
  if (freezer === undefined) return false;
  try {
    if (!['frozen', 'freezing'].includes(stateOf(sys, freezer))) return false;
    write(sys, freezer, false);
    return true;
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENODEV')) return false;
    throw error;
  }
}
