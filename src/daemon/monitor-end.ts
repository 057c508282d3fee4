/** How a supervised container ended: what its monitor said, or wrote down for whoever comes later. */
import { join } from 'node:path';
import type { Ended } from '../kernel/binding.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

const WAYS: readonly string[] = ['exited', 'killed', 'dumped'] satisfies readonly Ended['how'][];

/** `exited HOW STATUS USER SYSTEM AT`, without its type. Undefined where that is not what it is. */
export function endedOf(fields: Buffer): Ended | undefined {
  const [how = '', ...rest] = fields.toString().split('\0');
  const [status = NaN, userTime = NaN, systemTime = NaN] = rest.map(Number);
  return checked({ how, status, userTime, systemTime });
}

/** `exit.json` of the container's last run. Undefined where there is none, or a torn one. */
export function readEnd(sys: Kernel, place: Place, id: string): Ended | undefined {
  const text = sys.readIfThere(join(place.execdriver, id, 'exit.json'));
  if (text === undefined) return undefined;
  try {
    return checked(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

function checked(said: Readonly<Record<string, unknown>>): Ended | undefined {
  const { how, status, userTime, systemTime } = said;
  if (typeof how !== 'string' || !WAYS.includes(how) || !Number.isInteger(status)) return undefined;
  return {
    how: how as Ended['how'],
    status: Number(status),
    userTime: Number(userTime) || 0,
    systemTime: Number(systemTime) || 0,
    maxRss: 0,
  };
}
