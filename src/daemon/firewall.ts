/**
 * The NAT base, by the host's real iptables: whatever else manages this firewall sees our rules, and we see its.
 *
 * Our rules stand in chains of our own, named by the place; a built-in chain gets one jump, tagged with a comment. Nothing
 * else is ever deleted, and Docker's chains are never touched.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Bridge } from '../flows/values.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel, Ran } from '../kernel/kernel.ts';
import { rangeText } from './ipv4.ts';
import type { Place } from './place.ts';

export interface Rule {
  readonly table: string;
  readonly chain: string;
  readonly rule: readonly string[];
}

const tag = (chain: string): string[] => ['-m', 'comment', '--comment', `tsdock:${chain}`];

/** The rules in chains that are not ours: one jump each. */
export function jumps(place: Place): Rule[] {
  const rule = [...tag(place.chain), '-j', place.chain];
  return [
    { table: 'nat', chain: 'POSTROUTING', rule },
    { table: 'filter', chain: 'FORWARD', rule },
  ];
}

/** The rules in our own chains. A chain with Docker 1.2.0's rules, in the order in which its insertions ended up. */
export function ownRules(place: Place, bridge: Bridge): Rule[] {
  const mine = tag(place.chain);
  const filter = [
    ['-o', bridge.name, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', ...mine, '-j', 'ACCEPT'],
    ['-i', bridge.name, '!', '-o', bridge.name, ...mine, '-j', 'ACCEPT'],
    ['-i', bridge.name, '-o', bridge.name, ...mine, '-j', 'ACCEPT'],
  ];
  const masquerade = ['-s', rangeText(bridge), '!', '-o', bridge.name, ...mine, '-j', 'MASQUERADE'];
  return [
    { table: 'nat', chain: place.chain, rule: masquerade },
    ...filter.map((rule) => ({ table: 'filter', chain: place.chain, rule })),
  ];
}

/** What iptables said when it did not do what it was asked; undefined when it did. Needs the lock. */
export function installFirewall(sys: Kernel, place: Place, bridge: Bridge): string | undefined {
  const restore = sys.findProgram('iptables-restore');
  if (restore === undefined) return 'there is no iptables';
  const missing = jumps(place).filter((rule) => !hasRule(sys, rule));
  // One program for all: to declare a chain empties it if it is there, so that our own chains are written anew each time.
  const ran = sys.exec(restore, ['-w', '--noflush'], restoreText(place, missing, ownRules(place, bridge)));
  return ran.status === 0 ? undefined : complaint(ran);
}

function restoreText(place: Place, missing: readonly Rule[], own: readonly Rule[]): string {
  const lines = ['nat', 'filter'].flatMap((table) => [
    `*${table}`,
    `:${place.chain} - [0:0]`,
    ...own.filter((rule) => rule.table === table).map(({ chain, rule }) => `-A ${chain} ${rule.join(' ')}`),
    // At the top: below a rule of somebody else's that drops they would never be met.
    ...missing
      .filter((rule) => rule.table === table)
      .map(({ chain, rule }) => `-I ${chain} ${rule.join(' ')}`),
    'COMMIT',
  ]);
  return `${lines.join('\n')}\n`;
}

/** All rules as `host.firewall` would make them, for a network namespace where nothing is yet (`doctor` tries them). */
export function trialText(place: Place): string {
  const bridge: Bridge = { name: place.bridge, index: 0, address: '172.17.42.1', prefix: 16, mtu: 1500 };
  return restoreText(place, jumps(place), ownRules(place, bridge));
}

function hasRule(sys: Kernel, { table, chain, rule }: Rule): boolean {
  return iptables(sys, '-t', table, '-C', chain, ...rule)?.status === 0;
}

/** Deletes a rule as often as it is there. A rule without our tag is refused: it is somebody else's. */
export function deleteRule(sys: Kernel, table: string, chain: string, rule: readonly string[]): void {
  if (!rule.some((word) => /^tsdock:/.test(word))) throw foreign(`the rule ${rule.join(' ')} in ${chain}`);
  const most = 16;
  for (let n = 0; n < most && hasRule(sys, { table, chain, rule }); n += 1) {
    const ran = iptables(sys, '-t', table, '-D', chain, ...rule);
    if (ran !== undefined && ran.status !== 0) throw failed(`cannot delete a rule from ${chain}`, ran);
  }
}

/** Empties and deletes a chain of ours; one that is not there is deleted already. */
export function deleteChain(sys: Kernel, table: string, chain: string): void {
  if (!/^(TSDOCK|TSD-[0-9a-f]{8})/.test(chain)) throw foreign(`the chain ${chain}`);
  const there = iptables(sys, '-t', table, '-S', chain);
  if (there === undefined || there.status !== 0) return;
  for (const act of ['-F', '-X']) {
    const ran = iptables(sys, '-t', table, act, chain);
    if (ran !== undefined && ran.status !== 0) throw failed(`cannot delete the chain ${chain}`, ran);
  }
}

/** Undefined where there is no iptables: then there are no rules either. */
function iptables(sys: Kernel, ...args: string[]): Ran | undefined {
  const program = sys.findProgram('iptables');
  return program === undefined ? undefined : sys.exec(program, ['-w', ...args]);
}

function complaint(ran: Ran): string {
  const lines = ran.stderr.split('\n').filter((text) => text.trim() !== '');
  return lines.find((text) => !text.startsWith('Warning:')) ?? lines[0] ?? `it ended with ${ran.status}`;
}

function failed(what: string, ran: Ran): TsDockError {
  return new TsDockError('network', `${what}: ${complaint(ran)}`);
}

function foreign(what: string): TsDockError {
  return new TsDockError('network', `${what} is not ts-dock's, and stays`);
}

// --- what was done in this boot -------------------------------------------------------------------------------------

/** The file that spares a run the iptables processes. Of another boot it says nothing: the rules went with the kernel. */
export const firewallRecord = (place: Place): string => join(place.root, 'host.json');

interface FirewallRecord {
  readonly boot: string;
  readonly chain: string;
  readonly bridge: string;
  readonly subnet: string;
}

export function recordOf(sys: Kernel, place: Place, bridge: Bridge): string {
  const boot = sys.readFile('/proc/sys/kernel/random/boot_id').trim();
  const record: FirewallRecord = { boot, chain: place.chain, bridge: bridge.name, subnet: rangeText(bridge) };
  return `${JSON.stringify(record)}\n`;
}

/** `host up` calls this first, so that the rules are looked at again and not only the record. */
export function forgetFirewall(sys: Kernel, place: Place): void {
  try {
    sys.unlink(firewallRecord(place));
  } catch (error) {
    if (!refusedWith(error, 'ENOENT')) throw error;
  }
}
