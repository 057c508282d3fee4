/**
 * The bridge that all containers of a root share. Its link alias says whose it is: a bridge of our name without our alias
 * is somebody else's, and is neither used nor removed.
 */
import { TsDockError } from '../engine/failure.ts';
import type { Bridge } from '../flows/values.ts';
import type { Link, NetworkDump } from '../kernel/binding.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { overlaps, parseIpv4, type Range } from './ipv4.ts';
import type { Place } from './place.ts';

/** Docker 1.2.0's addresses, in its order: the first that meets nothing is taken. */
export const CANDIDATES: readonly Range[] = [
  { address: '172.17.42.1', prefix: 16 },
  { address: '10.0.42.1', prefix: 16 },
  { address: '10.1.42.1', prefix: 16 },
  { address: '10.42.42.1', prefix: 16 },
  { address: '172.16.42.1', prefix: 24 },
  { address: '172.16.43.1', prefix: 24 },
  { address: '172.16.44.1', prefix: 24 },
  { address: '10.0.42.1', prefix: 24 },
  { address: '10.0.43.1', prefix: 24 },
  { address: '192.168.42.1', prefix: 24 },
  { address: '192.168.43.1', prefix: 24 },
  { address: '192.168.44.1', prefix: 24 },
];

const MAIN_TABLE = 254;
const IFF_UP = 1;
const FALLBACK_MTU = 1500;

export function bridgeAlias(place: Place): string {
  return `tsdock:${place.bridge}`;
}

/** IPv4 resolvers of a resolv.conf, each as a range of one address. */
export function resolvers(resolvConf: string): Range[] {
  return resolvConf.split('\n').flatMap((line) => {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '';
    return parseIpv4(address) === undefined ? [] : [{ address, prefix: 32 }];
  });
}

/**
 * What the host already uses: routes of the main table, and addresses, since a link that is down has no route yet.
 * The default route meets everything and says nothing.
 */
export function rangesInUse(dump: NetworkDump): Range[] {
  const routes = dump.routes
    .filter(
      ({ family, table, destination }) => family === 'inet' && table === MAIN_TABLE && destination !== '',
    )
    .map(({ destination, prefix }) => ({ address: destination, prefix }));
  const addresses = dump.addresses.filter(({ family }) => family === 'inet');
  return [...routes, ...addresses.map(({ address, prefix }) => ({ address, prefix }))];
}

/** The first candidate that meets nothing in use; undefined where all do. */
export function chooseRange(
  inUse: readonly Range[],
  candidates: readonly Range[] = CANDIDATES,
): Range | undefined {
  return candidates.find((candidate) => !inUse.some((used) => overlaps(candidate, used)));
}

/** The bridge of this place, where it is whole: ours, with an address, up. */
export function findBridge(dump: NetworkDump, place: Place): Bridge | undefined {
  const link = linkOf(dump, place);
  const address = link && addressOf(dump, link);
  if (link === undefined || address === undefined) return undefined;
  if (link.alias !== bridgeAlias(place) || (link.flags & IFF_UP) === 0) return undefined;
  return { name: link.name, index: link.index, ...address, mtu: uplinkMtu(dump) };
}

/** What a bridge would be given now: the address that it has, or the first free one. */
export function drawRange(sys: Kernel, dump: NetworkDump, place: Place): Range | undefined {
  const link = linkOf(dump, place);
  const own = link && addressOf(dump, link);
  return own ?? chooseRange([...rangesInUse(dump), ...resolvers(sys.readIfThere('/etc/resolv.conf') ?? '')]);
}

/** Makes what is missing, piece by piece: a process that was killed in the midst of it has left any part. Needs the lock. */
export function makeBridge(sys: Kernel, place: Place, mac: string): Bridge {
  const dump = sys.network();
  const link = linkOf(dump, place);
  refuseForeign(dump, link, place);
  const range = drawRange(sys, dump, place);
  if (range === undefined) throw noRange(place);

  const index = link?.index ?? sys.bridgeCreate(place.bridge, mac);
  if (link?.alias !== bridgeAlias(place)) sys.linkAlias(index, bridgeAlias(place));
  if (link === undefined || addressOf(dump, link) === undefined)
    sys.addressAdd(index, range.address, range.prefix);
  if (link === undefined || (link.flags & IFF_UP) === 0) sys.linkUp(index, true);
  return { name: place.bridge, index, ...range, mtu: uplinkMtu(dump) };
}

/** A bridge with neither alias nor address nor ports is what our own creation leaves when it is killed at once. */
function refuseForeign(dump: NetworkDump, link: Link | undefined, place: Place): void {
  if (link === undefined || link.alias === bridgeAlias(place)) return;
  const untouched = link.alias === '' && link.kind === 'bridge' && addressOf(dump, link) === undefined;
  const ports = dump.links.some(({ master }) => master === link.index);
  if (untouched && !ports) return;
  const whose = link.alias === '' ? '' : ` (its alias is ${JSON.stringify(link.alias)})`;
  throw new TsDockError('network', `there is a link ${place.bridge} that ts-dock did not make${whose}`, {
    means: 'ts-dock neither uses nor removes what belongs to somebody else.',
    remedy: `Look at it with \`ip -d link show ${place.bridge}\`, rename or delete it, or use another --root.`,
  });
}

function noRange(place: Place): TsDockError {
  return new TsDockError('network', `no address range is free for ${place.bridge}`, {
    means: 'Every range on the list overlaps a route or a resolver of this host.',
    remedy:
      'Free one of them (`ts-dock explain host.bridge` has the list), or run with --net none or --net host.',
  });
}

function linkOf(dump: NetworkDump, place: Place): Link | undefined {
  return dump.links.find(({ name }) => name === place.bridge);
}

function addressOf(dump: NetworkDump, link: Link): Range | undefined {
  const own = dump.addresses.find(({ link: index, family }) => index === link.index && family === 'inet');
  return own && { address: own.address, prefix: own.prefix };
}

/** What leaves through the default route must not be bigger than that link takes. */
function uplinkMtu(dump: NetworkDump): number {
  const way = dump.routes.find(
    ({ family, table, destination }) => family === 'inet' && table === MAIN_TABLE && destination === '',
  );
  return dump.links.find(({ index }) => index === way?.link)?.mtu ?? FALLBACK_MTU;
}
