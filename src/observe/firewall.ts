/**
 * The host's packet filter and NAT: which rules there are, whose they are, and of ours how much each has met. The
 * counters of somebody else's rules are left out: on a busy host they would be different at every look.
 */
import * as fs from 'node:fs';
import { parseSave, type SavedRule } from '../daemon/firewall-rules.ts';
import { placeOf } from '../daemon/place.ts';
import type { Subject } from './names.ts';
import { readKernelFile } from './read.ts';

const PROGRAMS = ['/usr/local/sbin', '/usr/sbin', '/sbin'].map((folder) => `${folder}/iptables-save`);
const PATIENCE_MS = 5_000;

/** How a line's text begins: whose the rule is. */
export const OWNERS = {
  run: 'this run’s',
  root: 'of all runs here',
  otherRun: 'another run’s',
  otherRoot: 'another root’s',
  nobody: 'not ts-dock’s',
} as const;

export function firewall(subject: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  const forwards = readKernelFile('/proc/sys/net/ipv4/ip_forward')?.trim();
  if (forwards !== undefined) lines['ip_forward'] = forwards;
  const { chains, rules } = parseSave(save());
  const forward = chains.find(({ table, chain }) => table === 'filter' && chain === 'FORWARD');
  // Without a table there is no rule, and what no rule meets is accepted.
  lines['filter FORWARD policy'] = forward?.policy ?? 'ACCEPT';
  for (const rule of rules) {
    let key = `${rule.table} ${rule.chain} ${rule.rule}`;
    for (let n = 2; key in lines; n++) key = `${rule.table} ${rule.chain} ${rule.rule} (${n})`;
    lines[key] = describe(rule, subject);
  }
  return lines;
}

/** Asks only what is loaded: a table that nobody uses is not made for the asking. */
function save(): string {
  const program = PROGRAMS.find((path) => fs.existsSync(path));
  if (program === undefined) return '';
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const options = {
    encoding: 'utf8',
    env: { LC_ALL: 'C' },
    timeout: PATIENCE_MS,
    maxBuffer: 1 << 24,
  } as const;
  const { status, stdout } = spawnSync(program, ['-c'], options);
  return status === 0 ? stdout : '';
}

function describe(rule: SavedRule, subject: Subject): string {
  const owner = ownerOf(rule, subject);
  if (owner !== OWNERS.run && owner !== OWNERS.root) return owner;
  const { packets, bytes } = rule;
  return `${owner}, met ${packets} ${packets === 1 ? 'packet' : 'packets'}, ${bytes} bytes`;
}

/** Every rule of ours says in a comment whose it is: of a root, by its chain; of a container, by its id. */
function ownerOf({ chain, rule }: SavedRule, { root, containerId }: Subject): string {
  const own = placeOf(root).chain;
  const tag = /--comment "?tsdock:([^\s"]+)/.exec(rule)?.[1];
  if (tag === undefined) return OWNERS.nobody;
  if (/^[0-9a-f]{12}/.test(tag)) {
    if (containerId?.startsWith(tag.slice(0, 12)) === true) return OWNERS.run;
    return chain === own || rule.includes(own) ? OWNERS.otherRun : OWNERS.otherRoot;
  }
  return tag === own || tag.startsWith(`${own}-`) ? OWNERS.root : OWNERS.otherRoot;
}
