/** What a container uses: counters of its cgroup and of its network namespace, and what two looks at them say. */
import { join } from 'node:path';
import { startTimeOf } from '../kernel/append.ts';
import { now } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { figuresOf, type Figures } from './cgroup-figures.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';
import { runtimeState } from './processes.ts';

export interface Sample extends Figures {
  readonly id: string;
  readonly name: string;
  /** CLOCK_MONOTONIC in nanoseconds. */
  readonly at: number;
  /** Bytes; null where it has the host's network, or none is to be read. */
  readonly network: { readonly received: number; readonly sent: number } | null;
}

/** What `stats` shows. Sizes in bytes. */
export interface Usage extends Omit<Sample, 'at' | 'cpuTime'> {
  /** Of one CPU, in percent: 200 is two whole ones. */
  readonly cpu: number;
}

export function sampleOf(sys: Kernel, place: Place, { ID, Name }: Container): Sample {
  return {
    id: ID,
    name: Name.slice(1),
    at: now(),
    network: networkOf(sys, place, ID),
    ...figuresOf(sys, place.cgroupParent, ID),
  };
}

export function rateOf(before: Sample, { at, cpuTime, ...after }: Sample): Usage {
  const passed = at - before.at;
  return { ...after, cpu: passed > 0 ? (100 * Math.max(0, cpuTime - before.cpuTime)) / passed : 0 };
}

/** Of all interfaces but lo, as the container's own namespace counts them. */
function networkOf(sys: Kernel, place: Place, id: string): Sample['network'] {
  const state = runtimeState(sys, place, id);
  if (state?.network_state.veth_host === undefined) return null;
  const { init_pid: pid, init_start_time: started } = state;
  const text = sys.readIfThere(join('/proc', pid.toString(), 'net/dev')) ?? '';
  // Looked at afterwards: if it is still the same process, what was read was its own.
  if (startTimeOf(pid) !== started) return null;
  return parseNetDev(text);
}

export function parseNetDev(text: string): { readonly received: number; readonly sent: number } {
  let [received, sent] = [0, 0];
  for (const line of text.split('\n')) {
    const cut = line.lastIndexOf(':');
    if (cut < 0 || line.slice(0, cut).trim() === 'lo') continue;
    const counters = line
      .slice(cut + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    received += counters[0] ?? 0;
    sent += counters[8] ?? 0;
  }
  return { received, sent };
}
