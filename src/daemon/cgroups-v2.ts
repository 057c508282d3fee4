/** cgroup v2: one hierarchy for all controllers. What `docker run` asks for, as values of its files. */
import { join } from 'node:path';
import type { Resources } from '../flows/values.ts';
import { KernelError } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { deviceNumber, type Setting, type Settings } from './cgroup-settings.ts';
import { CPU_PERIOD_US } from './cgroups-v1.ts';

const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids'] as const;

/**
 * A controller is there in a group only if every group above it hands it down. What the host does not hand down is said,
 * and is an error only for a container that asks for it. Left on at `host down`: others may use it by then.
 */
export function enableControllers(sys: Kernel, mount: string, parent: string): string[] {
  const words = (file: string): string[] => sys.readFile(file).trim().split(/\s+/);
  const handedDown = words(join(parent, 'cgroup.subtree_control'));
  const available = words(join(mount, 'cgroup.controllers'));
  const missing = CONTROLLERS.filter((controller) => !handedDown.includes(controller));
  return missing.flatMap((controller) => {
    if (!available.includes(controller)) return [`This host has no ${controller} controller.`];
    try {
      // One by one: a refused one would take the others of its line with it.
      for (const folder of [mount, parent])
        sys.writeFile(join(folder, 'cgroup.subtree_control'), `+${controller}`);
      return [];
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      return [`The ${controller} controller cannot be used: ${error.message}`];
    }
  });
}

export function settingsV2(sys: Kernel, paths: Readonly<Record<string, string>>, asked: Resources): Settings {
  const notes = [
    'cgroups v2 limit devices by an eBPF program, and ts-dock has none: root in the container can make and open any device node.',
  ];
  const settings = [
    ...memory(sys, paths, asked, notes),
    ...(asked.cpuShares > 0 ? [at('-c', 'cpu.weight', weightOf(asked.cpuShares))] : []),
    ...(asked.nanoCpus > 0 ? [at('--cpus', 'cpu.max', quotaOf(asked.nanoCpus))] : []),
    ...(asked.cpuset === '' ? [] : [at('--cpuset-cpus', 'cpuset.cpus', asked.cpuset)]),
    ...(asked.pids > 0 ? [at('--pids-limit', 'pids.max', asked.pids)] : []),
    ...throttle(sys, '--device-read-iops', 'riops', asked.readIops),
    ...throttle(sys, '--device-write-iops', 'wiops', asked.writeIops),
  ];
  return { settings, notes };
}

function memory(
  sys: Kernel,
  paths: Readonly<Record<string, string>>,
  asked: Resources,
  notes: string[],
): Setting[] {
  if (asked.memory === 0) return [];
  const settings = [at('-m', 'memory.max', asked.memory)];
  if (asked.memorySwap === -1) return settings;
  const file = 'memory.swap.max';
  if (asked.memorySwap === 0 && !sys.exists(join(paths['unified'] ?? '', file))) {
    notes.push('This kernel does not count swap, so memory may spill into it without limit.');
    return settings;
  }
  // Docker's option is the sum of both; v2 counts swap alone.
  const swap = asked.memorySwap === 0 ? asked.memory : asked.memorySwap - asked.memory;
  return [...settings, at(asked.memorySwap === 0 ? '-m' : '--memory-swap', file, swap)];
}

/** Shares of 2 to 262144 on a scale of 1 to 10000, as runc does it. */
export function weightOf(shares: number): number {
  const held = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor(((held - 2) * 9999) / 262_142);
}

const quotaOf = (nanoCpus: number): string =>
  `${Math.floor((nanoCpus * CPU_PERIOD_US) / 1e9)} ${CPU_PERIOD_US}`;

function throttle(sys: Kernel, option: string, key: string, rates: Resources['readIops']): Setting[] {
  return rates.map(({ device, rate }) =>
    at(option, 'io.max', `${deviceNumber(sys, option, device)} ${key}=${rate}`),
  );
}

function at(option: string, file: string, value: number | string): Setting {
  return { option, controller: 'unified', file, value: value.toString() };
}
