/** What a container's cgroup says of itself, on both versions: what was used, what may be used, and who was killed for it. */
import { join } from 'node:path';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { hierarchies } from './cgroups.ts';

type Reader = (controller: string, file: string) => string;

/** Reads files of a group; what is not there is empty: a controller may be missing, and a group goes at any moment. */
function readerOf(
  sys: Kernel,
  parent: string,
  name: string,
): { readonly v2: boolean; readonly read: Reader } {
  const { version, list } = hierarchies(sys);
  const v2 = version === 'v2';
  const read: Reader = (controller, file) => {
    const found = list.find(({ controllers }) => v2 || controllers.includes(controller));
    if (found === undefined) return '';
    try {
      return sys.readIfThere(join(found.mount, parent, name, file)) ?? '';
    } catch (error) {
      if (refusedWith(error, 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP')) return '';
      throw error;
    }
  };
  return { v2, read };
}

/** The number behind a key: `oom_kill 3`. */
function keyed(text: string, key: string): number {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

/** Whether the kernel killed one of its processes for want of memory. Kernels before 4.13 do not count that (v1). */
export function wasOomKilled(sys: Kernel, parent: string, name: string): boolean {
  const { v2, read } = readerOf(sys, parent, name);
  const text = v2 ? read('memory', 'memory.events') : read('memory', 'memory.oom_control');
  return keyed(text, 'oom_kill') > 0;
}
