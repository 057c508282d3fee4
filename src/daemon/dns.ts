/** A container's resolv.conf (Docker 1.2.0: setupContainerDns, checkLocaldns, pkg/networkfs/resolvconf). */
import type { HostConfig } from './model.ts';

/** Docker 1.2.0's, for hosts whose own resolver a container cannot reach. */
const FALLBACK = ['8.8.8.8', '8.8.4.4'];

export interface ResolvConf {
  readonly text: string;
  readonly nameservers: readonly string[];
  readonly why: string;
}

/** A resolver on loopback is the host's own: inside, that address is the container. 1.2.0 knew only two of them. */
const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

export function resolvConfFor(hostConfig: HostConfig, hosts: string | undefined): ResolvConf {
  const text = hosts ?? '';
  const own = valuesOf(text, 'nameserver');
  const { Dns, DnsSearch, NetworkMode } = hostConfig;
  if (NetworkMode === 'host')
    return { text, nameservers: own, why: "--net host: the host's own file, word for word." };
  const loopback = own.filter(isLoopback);
  const reachable = own.filter((address) => !isLoopback(address));
  if (Dns.length === 0 && DnsSearch.length === 0 && loopback.length === 0 && own.length > 0) {
    return {
      text,
      nameservers: own,
      why: "The host's own file, word for word: its resolvers can be reached from inside.",
    };
  }
  const nameservers = Dns.length > 0 ? Dns : reachable.length > 0 ? reachable : FALLBACK;
  // Of several lines the last one counts (resolv.conf(5)).
  const listed = valuesOf(text, 'search').slice(-1);
  const search = DnsSearch.length > 0 ? DnsSearch : listed.flatMap((line) => line.split(/\s+/));
  // `options` lines are kept: 1.2.0 lost them whenever it wrote the file anew.
  const options = text.split('\n').filter((line) => /^\s*options\s/.test(line));
  const lines = [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length === 0 || search.join() === '.' ? [] : [`search ${search.join(' ')}`]),
    ...options,
  ];
  return { text: `${lines.join('\n')}\n`, nameservers, why: reasonFor(Dns, loopback, reachable) };
}

function reasonFor(
  dns: readonly string[],
  loopback: readonly string[],
  reachable: readonly string[],
): string {
  if (dns.length > 0) return 'The resolvers are those of --dns.';
  if (loopback.length === 0 && reachable.length > 0)
    return 'The resolvers are the host’s; the search list is that of --dns-search.';
  const first =
    loopback.length === 0
      ? 'The host names no resolver'
      : `The host's resolver ${loopback.join(', ')} is on its loopback, which inside is the container's own`;
  return reachable.length > 0
    ? `${first}; its others are kept.`
    : `${first}; so, as Docker 1.2.0, ${FALLBACK.join(' and ')}.`;
}

function valuesOf(text: string, key: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, value] = new RegExp(`^\\s*${key}\\s+(.*?)\\s*$`).exec(line.replace(/[#;].*/, '')) ?? [];
    return value === undefined || value === '' ? [] : [value];
  });
}
