/** What this kernel can limit and forward, asked of the kernel. */
import { join } from 'node:path';
import type { KernelFacts } from '../flows/values.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { hierarchies, type Hierarchies } from './cgroups.ts';
import type { Place } from './place.ts';

export function kernelFacts(sys: Kernel, place: Place): KernelFacts {
  const groups = hierarchies(sys);
  const ipv4Forwarding = sys.readIfThere('/proc/sys/net/ipv4/ip_forward')?.trim() === '1';
  const { memory, swap } = groups.version === 'v2' ? memoryV2(sys, place, groups) : memoryV1(sys, groups);
  const facts = { cgroups: groups.version, memoryLimit: memory, swapLimit: swap, ipv4Forwarding };
  return { ...facts, notes: sentences(facts) };
}

interface Memory {
  readonly memory: boolean;
  readonly swap: boolean;
}

function memoryV1(sys: Kernel, { list }: Hierarchies): Memory {
  const mount = list.find(({ controllers }) => controllers.includes('memory'))?.mount;
  if (mount === undefined) return { memory: false, swap: false };
  const has = (file: string): boolean => sys.exists(join(mount, file));
  return { memory: has('memory.limit_in_bytes'), swap: has('memory.memsw.limit_in_bytes') };
}

/** The root group has no limits of its own on v2: whether swap is counted shows in a child, once there is one. */
function memoryV2(sys: Kernel, place: Place, { list }: Hierarchies): Memory {
  const mount = list[0]?.mount ?? '';
  const memory = (sys.readIfThere(join(mount, 'cgroup.controllers')) ?? '').split(/\s+/).includes('memory');
  const group = join(mount, place.cgroupParent);
  const counted = sys.exists(group) ? sys.exists(join(group, 'memory.swap.max')) : sys.exists('/proc/swaps');
  return { memory, swap: memory && counted };
}

function sentences({
  cgroups,
  memoryLimit,
  swapLimit,
  ipv4Forwarding,
}: Omit<KernelFacts, 'notes'>): string[] {
  return [
    cgroups === 'none'
      ? 'There are no cgroups here: nothing can be limited.'
      : `Cgroups are of version ${cgroups.slice(1)}.`,
    memoryLimit
      ? 'Memory can be limited.'
      : 'Memory cannot be limited: the kernel has no memory controller here.',
    swapLimit ? 'Swap is counted and can be limited.' : 'Swap is not counted, so it cannot be limited.',
    ipv4Forwarding
      ? 'IPv4 forwarding is on: containers can reach what lies beyond the host.'
      : 'IPv4 forwarding is off: containers reach the host, and nothing beyond it.',
  ];
}

/** Docker wrote "Limitation discarded." and went on; here what cannot be set is refused later, by launch.cgroups. */
export function memoryWarnings(
  asked: { readonly Memory: number; readonly MemorySwap: number },
  facts: KernelFacts,
): string[] {
  const { Memory, MemorySwap } = asked;
  if (Memory === 0) return [];
  if (!facts.memoryLimit)
    return ['Your kernel does not support memory limit capabilities: the limit cannot be set.'];
  if (facts.swapLimit) return [];
  return [
    MemorySwap > 0
      ? 'Your kernel does not support swap limit capabilities: the limit cannot be set.'
      : 'Your kernel does not support swap limit capabilities: memory is limited without swap.',
  ];
}
