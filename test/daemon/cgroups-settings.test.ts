/** What the options become, as values of files, and where the hierarchies are: without a kernel. */
import { describe, expect, test } from 'vitest';
import { joinFiles, parseHierarchies } from '../../src/daemon/cgroups.ts';
import { settingsV1 } from '../../src/daemon/cgroups-v1.ts';
import { settingsV2, weightOf } from '../../src/daemon/cgroups-v2.ts';
import type { Resources } from '../../src/flows/values.ts';
import { NO_RESOURCES } from '../../src/daemon/resources.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const mount = (target: string, type: string, options: string, root = '/'): string =>
  `31 23 0:28 ${root} ${target} rw,relatime shared:9 - ${type} none rw,${options}`;

describe('the hierarchies', () => {
  test('of a v1 host are told by their options, in one order', () => {
    const found = parseHierarchies(
      [
        mount('/sys/fs/cgroup', 'tmpfs', 'mode=755'),
        mount('/sys/fs/cgroup/systemd', 'cgroup', 'name=systemd'),
        mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'cpuacct,cpu'),
        mount('/sys/fs/cgroup/memory', 'cgroup', 'memory'),
        mount('/again/memory', 'cgroup', 'memory'),
      ].join('\n'),
    );
    expect(found).toEqual({
      version: 'v1',
      list: [
        { root: '/', mount: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
        { root: '/', mount: '/sys/fs/cgroup/memory', controllers: ['memory'] },
      ],
    });
  });

  test('of a hybrid host are v1’s', () => {
    const lines = [mount('/c/unified', 'cgroup2', ''), mount('/c/pids', 'cgroup', 'pids')];
    expect(parseHierarchies(lines.join('\n'))).toMatchObject({ version: 'v1', list: [{ mount: '/c/pids' }] });
  });

  test('of a v2 host are one, also with systemd’s own beside it', () => {
    const lines = [mount('/c', 'cgroup2', '', '/inside'), mount('/s', 'cgroup', 'name=systemd')];
    expect(parseHierarchies(lines.join('\n'))).toEqual({
      version: 'v2',
      list: [{ root: '/inside', mount: '/c', controllers: ['unified'] }],
    });
  });

  test('may be missing', () => {
    expect(parseHierarchies(mount('/', 'ext4', ''))).toEqual({ version: 'none', list: [] });
  });
});

test('the files to join by are each named once', () => {
  expect(joinFiles({ cpu: '/c/cpu/x', cpuacct: '/c/cpu/x', pids: '/c/pids/x' })).toEqual([
    '/c/cpu/x/tasks',
    '/c/pids/x/tasks',
  ]);
  expect(joinFiles({ unified: '/c/x' })).toEqual(['/c/x/cgroup.procs']);
  expect(joinFiles({})).toEqual([]);
});

describe('options', () => {
  /** A kernel that has every file. */
  class Whole extends Kernel {
    override exists(): boolean {
      return true;
    }
  }
  const sys = new Whole();
  const v1 = (asked: Partial<Resources>): string[] =>
    settingsV1(sys, { memory: '/m' }, { ...NO_RESOURCES, ...asked }).settings.map(
      ({ option, file, value }) => `${option} ${file} ${value}`,
    );
  const v2 = (asked: Partial<Resources>): string[] =>
    settingsV2(sys, { unified: '/u' }, { ...NO_RESOURCES, ...asked }).settings.map(
      ({ option, file, value }) => `${option} ${file} ${value}`,
    );

  test('that were not given set nothing', () => {
    expect([...v1({}), ...v2({})]).toEqual([]);
  });

  test('of memory: twice as much with swap, unless said otherwise', () => {
    expect(v1({ memory: 100 })).toEqual([
      '-m memory.limit_in_bytes 100',
      '-m memory.memsw.limit_in_bytes 200',
    ]);
    expect(v2({ memory: 100 })).toEqual(['-m memory.max 100', '-m memory.swap.max 100']);
  });

  test('of swap: v1 counts the sum, v2 swap alone', () => {
    expect(v1({ memory: 100, memorySwap: 150 })[1]).toBe('--memory-swap memory.memsw.limit_in_bytes 150');
    expect(v2({ memory: 100, memorySwap: 150 })[1]).toBe('--memory-swap memory.swap.max 50');
    expect(v1({ memory: 100, memorySwap: -1 })).toHaveLength(1);
    expect(v2({ memory: 100, memorySwap: -1 })).toHaveLength(1);
  });

  test('of processors', () => {
    const asked = { cpuShares: 512, nanoCpus: 1.5e9, cpuset: '0-1' };
    expect(v1(asked)).toEqual([
      '-c cpu.shares 512',
      '--cpus cpu.cfs_period_us 100000',
      '--cpus cpu.cfs_quota_us 150000',
      '--cpuset-cpus cpuset.cpus 0-1',
    ]);
    expect(v2(asked)).toEqual([
      '-c cpu.weight 20',
      '--cpus cpu.max 150000 100000',
      '--cpuset-cpus cpuset.cpus 0-1',
    ]);
  });

  test.each([
    [2, 1],
    [1024, 39],
    [262_144, 10_000],
    [0, 1],
    [1_000_000, 10_000],
  ])('%i shares weigh %i', (shares, weight) => {
    expect(weightOf(shares)).toBe(weight);
  });

  test('of the number of processes', () => {
    expect(v1({ pids: 5 })).toEqual(['--pids-limit pids.max 5']);
    expect(v2({ pids: 5 })).toEqual(['--pids-limit pids.max 5']);
  });

  test('v1 denies all devices first and then allows Docker’s', () => {
    const { settings } = settingsV1(sys, { devices: '/d' }, NO_RESOURCES);
    expect(settings[0]).toMatchObject({ file: 'devices.deny', value: 'a' });
    expect(settings.slice(1).map(({ value }) => value)).toEqual([
      ...[
        'c *:* m',
        'b *:* m',
        'c 5:1 rwm',
        'c 4:0 rwm',
        'c 4:1 rwm',
        'c 136:* rwm',
        'c 5:2 rwm',
        'c 10:200 rwm',
      ],
      ...['c 1:3 rwm', 'c 1:5 rwm', 'c 1:7 rwm', 'c 5:0 rwm', 'c 1:9 rwm', 'c 1:8 rwm'],
    ]);
  });

  test('v2 says that it does not limit devices', () => {
    expect(settingsV2(sys, { unified: '/u' }, NO_RESOURCES).notes.join()).toMatch(/any device node/);
  });
});
