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

export interface Figures {
  /** Nanoseconds since its start. */
  readonly cpuTime: number;
  /** Bytes, without the page cache that is not in use. */
  readonly memory: number;
  /** Bytes; all of the host's where it has no limit. */
  readonly memoryLimit: number;
  readonly pids: number;
  /** 0: no limit. */
  readonly pidsLimit: number;
  /** Bytes, from and to block devices. */
  readonly read: number;
  readonly written: number;
}

export function figuresOf(sys: Kernel, parent: string, name: string): Figures {
  const { v2, read } = readerOf(sys, parent, name);
  const total =
    keyed((sys.readIfThere('/proc/meminfo') ?? '').replace(/:\s+(\d+) kB$/gm, ' $1'), 'MemTotal') * 1024;
  const limit = numberIn(v2 ? read('memory', 'memory.max') : read('memory', 'memory.limit_in_bytes'));
  const used = numberIn(v2 ? read('memory', 'memory.current') : read('memory', 'memory.usage_in_bytes'));
  const idle = keyed(read('memory', 'memory.stat'), v2 ? 'inactive_file' : 'total_inactive_file');
  return {
    cpuTime: v2
      ? keyed(read('cpu', 'cpu.stat'), 'usage_usec') * 1000
      : numberIn(read('cpuacct', 'cpuacct.usage')),
    memory: Math.max(0, used - idle),
    memoryLimit: limit === 0 ? total : Math.min(limit, total),
    pids: numberIn(read('pids', 'pids.current')),
    pidsLimit: numberIn(read('pids', 'pids.max')),
    ...(v2 ? diskV2(read('io', 'io.stat')) : diskV1(read('blkio', 'blkio.throttle.io_service_bytes'))),
  };
}

/** 0 for `max` as well: nobody has a limit of nothing. */
const numberIn = (text: string): number => (/^\d+$/.test(text.trim()) ? Number(text) : 0);

type Disk = Pick<Figures, 'read' | 'written'>;

const sum = (text: string, pattern: RegExp): number =>
  [...text.matchAll(pattern)].reduce((all, [, bytes]) => all + Number(bytes), 0);

const diskV1 = (text: string): Disk => ({
  read: sum(text, /^\d+:\d+ Read (\d+)$/gm),
  written: sum(text, /^\d+:\d+ Write (\d+)$/gm),
});

const diskV2 = (text: string): Disk => ({
  read: sum(text, /\brbytes=(\d+)/g),
  written: sum(text, /\bwbytes=(\d+)/g),
});
