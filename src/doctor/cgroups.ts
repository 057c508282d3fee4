/** Control groups: which layout, which controllers, and whether this host lets us make groups. */
import { join } from 'node:path';
import { hierarchies, type Hierarchies } from '../daemon/cgroups.ts';
import { kernelFacts } from '../daemon/kernel-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { differs, missing, ok, type Check, type Verdict } from './check.ts';

/** The option of `run` that each controller serves. */
const SERVES: Readonly<Record<string, string>> = {
  memory: '-m',
  cpu: '-c and --cpus',
  cpuset: '--cpuset-cpus',
  pids: '--pids-limit',
  blkio: '--device-read-iops and -write-iops',
  io: '--device-read-iops and -write-iops',
};

export const cgroups: readonly Check[] = [
  { id: 'cgroup.layout', title: 'Cgroup layout', look: ({ sys }) => layout(sys) },
  { id: 'cgroup.controllers', title: 'Controllers', look: ({ sys }) => controllers(sys) },
  {
    id: 'cgroup.swap',
    title: 'Swap accounting',
    look({ sys, place }) {
      const { swapLimit, memoryLimit } = kernelFacts(sys, place);
      if (swapLimit) return ok('swap is counted', { brief: 'swap counted' });
      return differs('swap is not counted', {
        means: memoryLimit
          ? 'With -m, memory may spill into swap without limit; --memory-swap is refused.'
          : '--memory-swap is refused.',
        remedy: 'Boot with swapaccount=1, if there is swap at all.',
        brief: 'swap not counted',
      });
    },
  },
];

function layout(sys: Kernel): Verdict {
  const { version, list } = hierarchies(sys);
  const mountinfo = sys.readFile('/proc/self/mountinfo');
  const unified = / - cgroup2 /.test(mountinfo);
  if (version === 'none')
    return missing('none is mounted', {
      means: 'Nothing can be limited, and a container’s processes are found by its pid namespace alone.',
      remedy: 'Mount it: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`.',
      brief: 'no cgroups',
    });
  const name = version === 'v2' ? 'v2' : unified ? 'hybrid: v1, and v2 beside it without controllers' : 'v1';
  const brief = `cgroup ${version === 'v2' ? 'v2' : unified ? 'hybrid' : 'v1'}`;
  const closed = list
    .filter(({ mount }) => isReadOnly(mountinfo, mount))
    .map((each) => each.controllers.join(','));
  if (closed.length > 0)
    return differs(`${name}; read-only: ${closed.join(', ')}`, {
      means: 'No group can be made there, so these limit nothing.',
      remedy: 'In a container: start it privileged.',
      brief: `${brief} read-only`,
    });
  const inner = list.filter(({ root }) => root !== '/');
  return ok(inner.length === 0 ? name : `${name}; a part of it, as in a container`, { brief });
}

/** The last mount on a place is the one that is seen. */
function isReadOnly(mountinfo: string, target: string): boolean {
  const options = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter((words) => words[4] === target)
    .at(-1)?.[5];
  return options?.split(',').includes('ro') === true;
}

function controllers(sys: Kernel): Verdict {
  const found = hierarchies(sys);
  const there = present(sys, found);
  const wanted =
    found.version === 'v2'
      ? ['memory', 'cpu', 'cpuset', 'pids', 'io']
      : ['memory', 'cpu', 'cpuset', 'pids', 'blkio', 'devices', 'freezer'];
  const lacking = wanted.filter((name) => !there.includes(name));
  if (lacking.length === 0) return ok(there.join(', '));
  const options = lacking.flatMap((name) => SERVES[name] ?? []);
  return differs(`${there.join(', ') || 'none'}; without ${lacking.join(', ')}`, {
    means: [
      options.length === 0 ? '' : `${options.join(', ')} will be refused.`,
      lacking.includes('devices') ? 'Root in a container can open any device that it makes a node for.' : '',
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
    brief: `no ${lacking.join(',')} cgroup`,
  });
}

function present(sys: Kernel, { version, list }: Hierarchies): string[] {
  if (version !== 'v2') return list.flatMap((each) => each.controllers);
  const text = sys.readIfThere(join(list[0]?.mount ?? '', 'cgroup.controllers')) ?? '';
  return text.split(/\s+/).filter((name) => name !== '');
}
