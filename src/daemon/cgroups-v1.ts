/** cgroup v1: a hierarchy per controller, each with files of its own. What `docker run` asks for, as their values. */
import { dirname, join } from 'node:path';
import type { Resources } from '../flows/values.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { deviceNumber, type Setting, type Settings } from './cgroup-settings.ts';

/** In this order always: 1.2.0's was random, and no two traces were alike. */
export const V1_CONTROLLERS = [
  'cpu',
  'cpuset',
  'cpuacct',
  'memory',
  'blkio',
  'freezer',
  'devices',
  'pids',
] as const;

/** Default of the kernel, and of Docker's --cpus. */
export const CPU_PERIOD_US = 100_000;

/** What every container may open (Docker 1.2.0's list, in its order); making nodes of any device is allowed, using them not. */
const ALLOWED_DEVICES = [
  ...['c *:* m', 'b *:* m'],
  ...['5:1', '4:0', '4:1', '136:*', '5:2', '10:200'].map((number) => `c ${number} rwm`),
  ...['1:3', '1:5', '1:7', '5:0', '1:9', '1:8'].map((number) => `c ${number} rwm`),
];

export function settingsV1(sys: Kernel, paths: Readonly<Record<string, string>>, asked: Resources): Settings {
  const notes: string[] = [];
  const settings = [
    ...memory(sys, paths, asked, notes),
    ...cpu(asked),
    ...cpuset(asked),
    ...pids(asked),
    ...blkio(sys, asked),
    ...devices(paths, notes),
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
  const settings = [at('-m', 'memory', 'memory.limit_in_bytes', asked.memory)];
  if (asked.memorySwap === -1) return settings;
  const file = 'memory.memsw.limit_in_bytes';
  const swapIsCounted = paths['memory'] !== undefined && sys.exists(join(paths['memory'], file));
  if (asked.memorySwap === 0 && !swapIsCounted) {
    notes.push('This kernel does not count swap, so memory may spill into it without limit.');
    return settings;
  }
  // After the memory limit: the sum may not be smaller than it, not even for a moment.
  const sum = asked.memorySwap === 0 ? 2 * asked.memory : asked.memorySwap;
  return [...settings, at(asked.memorySwap === 0 ? '-m' : '--memory-swap', 'memory', file, sum)];
}

function cpu({ cpuShares, nanoCpus }: Resources): Setting[] {
  const settings: Setting[] = [];
  if (cpuShares > 0) settings.push(at('-c', 'cpu', 'cpu.shares', cpuShares));
  if (nanoCpus > 0) {
    settings.push(at('--cpus', 'cpu', 'cpu.cfs_period_us', CPU_PERIOD_US));
    settings.push(at('--cpus', 'cpu', 'cpu.cfs_quota_us', Math.floor((nanoCpus * CPU_PERIOD_US) / 1e9)));
  }
  return settings;
}

const cpuset = (asked: Resources): Setting[] =>
  asked.cpuset === '' ? [] : [at('--cpuset-cpus', 'cpuset', 'cpuset.cpus', asked.cpuset)];

const pids = (asked: Resources): Setting[] =>
  asked.pids > 0 ? [at('--pids-limit', 'pids', 'pids.max', asked.pids)] : [];

function blkio(sys: Kernel, { readIops, writeIops }: Resources): Setting[] {
  const throttle = (option: string, file: string, rates: Resources['readIops']): Setting[] =>
    rates.map(({ device, rate }) =>
      at(option, 'blkio', file, `${deviceNumber(sys, option, device)} ${rate}`),
    );
  return [
    ...throttle('--device-read-iops', 'blkio.throttle.read_iops_device', readIops),
    ...throttle('--device-write-iops', 'blkio.throttle.write_iops_device', writeIops),
  ];
}

function devices(paths: Readonly<Record<string, string>>, notes: string[]): Setting[] {
  if (paths['devices'] === undefined) {
    notes.push('There is no devices hierarchy: root in the container can make and open any device node.');
    return [];
  }
  return [
    at('', 'devices', 'devices.deny', 'a'),
    ...ALLOWED_DEVICES.map((entry) => at('', 'devices', 'devices.allow', entry)),
  ];
}

function at(option: string, controller: string, file: string, value: number | string): Setting {
  return { option, controller, file, value: value.toString() };
}

/** A new cpuset is empty, and nobody can join an empty one: it starts as its parent's. */
export function fillCpuset(sys: Kernel, folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (sys.readFile(join(folder, file)).trim() !== '') continue;
    sys.writeFile(join(folder, file), sys.readFile(join(dirname(folder), file)).trim());
  }
}
