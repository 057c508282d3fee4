/** How a supervised container ended: what its monitor said, or wrote down for whoever comes later. */
import { join } from 'node:path';
import type { EndedAt } from '../flows/values.ts';
import type { Ended } from '../kernel/binding.ts';
import { now } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

const WAYS: readonly string[] = ['exited', 'killed', 'dumped'] satisfies readonly Ended['how'][];

/** `exited HOW STATUS USER SYSTEM AT`, without its type. Undefined where that is not what it is. */
export function endedOf(fields: Buffer): EndedAt | undefined {
  const [how = '', ...rest] = fields.toString().split('\0');
  const [status = NaN, userTime = NaN, systemTime = NaN, at = NaN] = rest.map(Number);
  return checked({ how, status, userTime, systemTime, at });
}

/** `exit.json` of the container's last run. Undefined where there is none, or a torn one. */
export function readEnd(sys: Kernel, place: Place, id: string): EndedAt | undefined {
  const text = sys.readIfThere(join(place.execdriver, id, 'exit.json'));
  if (text === undefined) return undefined;
  try {
    return checked(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

function checked(said: Readonly<Record<string, unknown>>): EndedAt | undefined {
  const { how, status, userTime, systemTime, at } = said;
  if (typeof how !== 'string' || !WAYS.includes(how) || !Number.isInteger(status)) return undefined;
  const ended = {
    how: how as Ended['how'],
    status: Number(status),
    userTime: Number(userTime) || 0,
    systemTime: Number(systemTime) || 0,
    maxRss: 0,
  };
  return { ended, at: Number(at) || now() };
}
