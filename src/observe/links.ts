/** Network links with addresses and routes: on the host the bridge and what hangs on it, in the container everything. */
import { binding, type Link, type NetworkDump } from '../kernel/binding.ts';
import type { Subject } from './names.ts';
import { namespaceOf } from './namespaces.ts';

const IFF_UP = 1;
const MAIN_TABLE = 254;

export function links({ bridge, pid }: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  const host = dump(0);
  const ours = host?.links.find(({ name }) => name === bridge);
  if (host !== undefined && ours !== undefined) {
    show(lines, 'host', host, (link) => link.index === ours.index || link.master === ours.index);
  }
  if (pid === undefined || namespaceOf(pid, 'net') === namespaceOf('self', 'net')) return lines;
  const its = dump(pid);
  if (its !== undefined) show(lines, 'container', its, () => true);
  return lines;
}

/** Undefined when the process, or its namespace, is no more. */
function dump(pid: number): NetworkDump | undefined {
  const got = binding().network(pid);
  return 'links' in got ? got : undefined;
}

function show(
  lines: Record<string, string>,
  side: string,
  all: NetworkDump,
  wanted: (link: Link) => boolean,
): void {
  const chosen = all.links.filter(wanted);
  const nameOf = new Map(chosen.map(({ index, name }) => [index, name]));
  const addresses = all.addresses.filter(({ address }) => !passing(address));
  for (const link of chosen) {
    lines[`${side} ${link.name}`] = describe(link, all.links);
    const its = addresses.filter((address) => address.link === link.index);
    if (its.length > 0)
      lines[`${side} ${link.name} addresses`] = its.map((a) => `${a.address}/${a.prefix}`).join(' ');
  }
  for (const route of all.routes) {
    const device = nameOf.get(route.link);
    if (device === undefined || route.table !== MAIN_TABLE || passing(route.destination)) continue;
    const destination = route.destination === '' ? 'default' : `${route.destination}/${route.prefix}`;
    lines[`${side} route ${destination}`] =
      `${route.gateway === '' ? '' : `via ${route.gateway} `}dev ${device}`;
  }
}

/** Link-local IPv6 comes by itself, a second after a link is up: in a diff it would be blamed on any step. */
function passing(address: string): boolean {
  return /^(fe80|ff00)::/.test(address);
}

function describe(link: Link, all: readonly Link[]): string {
  const master = all.find(({ index }) => index === link.master)?.name;
  return [
    link.kind === '' ? 'link' : link.kind,
    (link.flags & IFF_UP) === 0 ? 'down' : 'up',
    `mtu ${link.mtu}`,
    link.mac,
    master === undefined ? '' : `master ${master}`,
    link.alias === '' ? '' : `alias ${link.alias}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}
