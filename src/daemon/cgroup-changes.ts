/** What has to be written into a group that is in use, so that other limits hold; and what each file had before. */
import { join } from 'node:path';
import type { Resources } from '../flows/values.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { deviceNumber, limitError, type Setting } from './cgroup-settings.ts';
import { CPU_PERIOD_US } from './cgroups-v1.ts';
import { weightOf } from './cgroups-v2.ts';

export interface Change {
  readonly setting: Setting;
  /** From what the file reads now, what to write to have that again. */
  old(text: string): string;
}

type Paths = Readonly<Record<string, string>>;

/** Only what is different: what was never limited is not touched. */
export function changeSettings(sys: Kernel, paths: Paths, before: Resources, after: Resources): Change[] {
  return 'unified' in paths ? changesV2(sys, paths, before, after) : changesV1(sys, paths, before, after);
}

const whole = (setting: Setting): Change => ({ setting, old: (text) => text.trim() });

const differs = (a: Resources, b: Resources, ...keys: readonly (keyof Resources)[]): boolean =>
  keys.some((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));

const quota = (nanoCpus: number): number => Math.floor((nanoCpus * CPU_PERIOD_US) / 1e9);

/** Rates that are new or other ones. */
const newRates = (before: Resources['readIops'], after: Resources['readIops']): Resources['readIops'] =>
  after.filter(({ device, rate }) => !before.some((old) => old.device === device && old.rate === rate));

// --- v1 -------------------------------------------------------------------------------------------------------------

function changesV1(sys: Kernel, paths: Paths, before: Resources, after: Resources): Change[] {
  const at = (option: string, controller: string, file: string, value: number | string): Change =>
    whole({ option, controller, file, value: value.toString() });
  const changes: Change[] = [];
  if (differs(before, after, 'memory', 'memorySwap'))
    changes.push(...memoryV1(sys, paths, before, after, at));
  if (differs(before, after, 'cpuShares')) changes.push(at('-c', 'cpu', 'cpu.shares', after.cpuShares));
  if (differs(before, after, 'nanoCpus')) {
    if (after.nanoCpus > 0) changes.push(at('--cpus', 'cpu', 'cpu.cfs_period_us', CPU_PERIOD_US));
    const value = after.nanoCpus > 0 ? quota(after.nanoCpus) : -1;
    changes.push(at('--cpus', 'cpu', 'cpu.cfs_quota_us', value));
  }
  if (differs(before, after, 'cpuset'))
    changes.push(at('--cpuset-cpus', 'cpuset', 'cpuset.cpus', after.cpuset));
  if (differs(before, after, 'pids'))
    changes.push(at('--pids-limit', 'pids', 'pids.max', after.pids > 0 ? after.pids : 'max'));
  const throttle = (option: string, file: string, rates: Resources['readIops']): Change[] =>
    rates.map(({ device, rate }) => {
      const number = deviceNumber(sys, option, device);
      return {
        setting: { option, controller: 'blkio', file, value: `${number} ${rate}` },
        old: (text) => text.split('\n').find((line) => line.startsWith(`${number} `)) ?? `${number} 0`,
      };
    });
  return [
    ...changes,
    ...throttle(
      '--device-read-iops',
      'blkio.throttle.read_iops_device',
      newRates(before.readIops, after.readIops),
    ),
    ...throttle(
      '--device-write-iops',
      'blkio.throttle.write_iops_device',
      newRates(before.writeIops, after.writeIops),
    ),
  ];
}

/** Memory may never be above memory and swap together, not even between two writes: upwards the sum goes first. */
function memoryV1(
  sys: Kernel,
  paths: Paths,
  before: Resources,
  after: Resources,
  at: (option: string, controller: string, file: string, value: number | string) => Change,
): Change[] {
  const file = 'memory.memsw.limit_in_bytes';
  const folder = paths['memory'];
  const now = folder === undefined ? undefined : sys.readIfThere(join(folder, file));
  const memory =
    before.memory === after.memory ? [] : [at('-m', 'memory', 'memory.limit_in_bytes', after.memory)];
  const sum = after.memorySwap === 0 ? (after.memory === 0 ? -1 : 2 * after.memory) : after.memorySwap;
  const asked = before.memorySwap !== after.memorySwap;
  if (now === undefined && !asked) return memory;
  const swap = at(asked ? '--memory-swap' : '-m', 'memory', file, sum);
  const upwards = sum === -1 || after.memory > Number(now ?? 0);
  return upwards ? [swap, ...memory] : [...memory, swap];
}

/** v1 refuses a limit below what is in use; v2 takes it, and kills until it holds. */
function refuseBelowUse(sys: Kernel, paths: Paths, limit: number): void {
  const file = join(paths['unified'] ?? '', 'memory.current');
  const used = Number(sys.readIfThere(file) ?? 0);
  if (used <= limit) return;
  const setting = { option: '-m', controller: 'unified', file: 'memory.max', value: limit.toString() };
  const why = `it uses more than that: ${used} bytes`;
  throw limitError(
    setting,
    file,
    why,
    undefined,
    'Nothing was changed: its processes would have been killed.',
  );
}

// --- v2 -------------------------------------------------------------------------------------------------------------

function changesV2(sys: Kernel, paths: Paths, before: Resources, after: Resources): Change[] {
  const at = (option: string, file: string, value: number | string): Change =>
    whole({ option, controller: 'unified', file, value: value.toString() });
  const changes: Change[] = [];
  if (differs(before, after, 'memory')) {
    refuseBelowUse(sys, paths, after.memory);
    changes.push(at('-m', 'memory.max', after.memory));
  }
  if (differs(before, after, 'memory', 'memorySwap')) {
    const asked = before.memorySwap !== after.memorySwap;
    const counted = sys.exists(join(paths['unified'] ?? '', 'memory.swap.max'));
    const swap =
      after.memorySwap === -1
        ? 'max'
        : after.memorySwap === 0
          ? after.memory
          : after.memorySwap - after.memory;
    if (asked || counted) changes.push(at(asked ? '--memory-swap' : '-m', 'memory.swap.max', swap));
  }
  if (differs(before, after, 'cpuShares')) changes.push(at('-c', 'cpu.weight', weightOf(after.cpuShares)));
  if (differs(before, after, 'nanoCpus'))
    changes.push(
      at('--cpus', 'cpu.max', `${after.nanoCpus > 0 ? quota(after.nanoCpus) : 'max'} ${CPU_PERIOD_US}`),
    );
  if (differs(before, after, 'cpuset')) changes.push(at('--cpuset-cpus', 'cpuset.cpus', after.cpuset));
  if (differs(before, after, 'pids'))
    changes.push(at('--pids-limit', 'pids.max', after.pids > 0 ? after.pids : 'max'));
  const throttle = (option: string, key: string, rates: Resources['readIops']): Change[] =>
    rates.map(({ device, rate }) => {
      const number = deviceNumber(sys, option, device);
      const old = (text: string): string => {
        const line = text.split('\n').find((each) => each.startsWith(`${number} `)) ?? '';
        return `${number} ${key}=${new RegExp(`\\b${key}=(\\d+)`).exec(line)?.[1] ?? 'max'}`;
      };
      return {
        setting: { option, controller: 'unified', file: 'io.max', value: `${number} ${key}=${rate}` },
        old,
      };
    });
  return [
    ...changes,
    ...throttle('--device-read-iops', 'riops', newRates(before.readIops, after.readIops)),
    ...throttle('--device-write-iops', 'wiops', newRates(before.writeIops, after.writeIops)),
  ];
}
