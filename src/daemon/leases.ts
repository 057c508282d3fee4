/**
 * Addresses that are given away: a file per address, named by it, whose content is the container's id. That a file can be
 * made only once is what makes an address unique, across processes and across crashes.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Bridge } from '../flows/values.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { formatIpv4, networkOf, parseIpv4, sizeOf } from './ipv4.ts';
import type { Place } from './place.ts';

/** Beside the folder of the leases: the address that was given last. */
const lastFile = (place: Place): string => `${place.leases}.last`;

/** Of an address, in letters: shorter ones have blanks behind them. */
const LONGEST = '255.255.255.255'.length;

/** Relative to the root, as compensations name it. */
export function leasePath(place: Place, address: string): string {
  return join(place.leases, address).slice(place.root.length + 1);
}

/** The address that is next: nothing is taken by asking. */
export function nextAddress(sys: Kernel, place: Place, bridge: Bridge): string {
  const taken = new Set(namesIn(sys, place.leases).filter((name) => !isTorn(sys, join(place.leases, name))));
  const address = findAddress(bridge, taken, sys.readIfThere(lastFile(place))?.trim() ?? '');
  if (address !== undefined) return address;
  throw new TsDockError(
    'network',
    `no address is free on ${bridge.name}: all of ${bridge.address}/${bridge.prefix} are given away`,
    {
      means: 'Every running container holds one address of the bridge.',
      remedy: 'End some containers, or run `ts-dock recover` if some were killed.',
    },
  );
}

/** Docker 1.2.0's search: from the last one given, wrapping, without the bridge's own address and the first host's. */
export function findAddress(bridge: Bridge, taken: ReadonlySet<string>, last: string): string | undefined {
  const start = networkOf(bridge);
  const hosts = sizeOf(bridge.prefix) - 2;
  const lastPosition = (parseIpv4(last) ?? start) - start;
  const from = lastPosition >= 1 && lastPosition <= hosts ? lastPosition : 0;
  for (let n = 0; n < hosts; n += 1) {
    const position = ((from + n) % hosts) + 1;
    const address = formatIpv4(start + position);
    if (position !== 1 && address !== bridge.address && !taken.has(address)) return address;
  }
  return undefined;
}

/** Takes an address; false where somebody else has it. Needs the lock. */
export function takeLease(sys: Kernel, place: Place, address: string, container: string): boolean {
  const path = join(place.leases, address);
  for (const folder of [join(place.root, 'network'), place.leases]) sys.ensureDir(folder, 0o700);
  if (isTorn(sys, path)) sys.unlink(path);
  try {
    sys.createFile(path, container);
  } catch (error) {
    if (refusedWith(error, 'EEXIST')) return false;
    throw error;
  }
  sys.overwrite(lastFile(place), address.padEnd(LONGEST));
  return true;
}

/** Whoever is killed between making and writing leaves an empty file, which is nobody's: writers hold the lock. */
function isTorn(sys: Kernel, path: string): boolean {
  return sys.exists(path) && sys.readIfThere(path) === '';
}

function namesIn(sys: Kernel, folder: string): string[] {
  return sys.exists(folder) ? sys.readdirPath(folder) : [];
}
