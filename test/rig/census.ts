/**
 * A census of what a run can leave behind on the host: taken before and after, it must be the same.
 *
 * It looks at the whole host with no help from the program under test. Only what carries the name of *another* root
 * (`tsd-<8 hex>`, `ts-dock-<8 hex>`, a folder of another sandbox) is left out, so that two tests can run side by side.
 * The kernel takes namespaces and links down after the fact: `settle` waits for that, and for nothing else.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { binding, type NetworkDump } from '../../src/kernel/binding.ts';
import { findProgram } from './skip.ts';
import { rootHash } from '../../src/daemon/place.ts';

export const sections = [
  'mount',
  'link',
  'rule',
  'cgroup',
  'namespace',
  'process',
  'descriptor',
  'file',
  'setting',
] as const;
export type Section = (typeof sections)[number];

/** Per section, what identifies a thing and what is known of it. */
export type Census = ReadonlyMap<Section, ReadonlyMap<string, string>>;

export interface CensusOptions {
  /** The root under test: its own names count, other roots' are left out. Without it every name counts. */
  readonly root?: string | undefined;
  /** Folders whose content is counted; mounts below them are not entered. */
  readonly files?: readonly string[];
  /** What to leave out of them, by the path relative to the folder: a database that grows, closed journals. */
  readonly except?: (path: string) => boolean;
  /** Only these sections; all by default. */
  readonly only?: readonly Section[];
}

/** Folders of sandboxes begin with this, which is how the census of one knows the mounts of another. */
export const sandboxPrefix = 'ts-dock-rig-';

/** Whether a text names another root than ours. */
type Foreign = (text: string) => boolean;

function foreignTo(root: string | undefined): Foreign {
  if (root === undefined) return () => false;
  const own = rootHash(root);
  const sandbox = new RegExp(`${sandboxPrefix}\\w+`).exec(root)?.[0];
  return (text) =>
    [...text.matchAll(/(?:tsd|ts-dock)-([0-9a-f]{8})(?![0-9a-z])/gi)].some((match) => match[1] !== own) ||
    [...text.matchAll(new RegExp(`${sandboxPrefix}\\w+`, 'g'))].some((match) => match[0] !== sandbox);
}

/** A map that keeps things apart that look the same: two mounts on one place are two. */
class Things {
  readonly all = new Map<string, string>();

  add(key: string, what: string): void {
    let unique = key;
    for (let count = 2; this.all.has(unique); count += 1) unique = `${key} (${count})`;
    this.all.set(unique, what);
  }
}

/** undefined where the file is gone: much of /proc and cgroupfs vanishes while one reads it. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** mountinfo writes blanks and the like as octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

interface Mount {
  readonly target: string;
  readonly type: string;
  readonly rest: string;
}

function mountTable(): Mount[] {
  const lines = (read('/proc/self/mountinfo') ?? '').split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', target = '', options = ''] = left.split(' ');
    const [type = '', source = ''] = right.split(' ');
    return { target: unescaped(target), type, rest: `${type} ${unescaped(source)} from ${root}, ${options}` };
  });
}

function mounts(foreign: Foreign): Things {
  const things = new Things();
  for (const mount of mountTable()) if (!foreign(mount.target)) things.add(mount.target, mount.rest);
  return things;
}

/** What is compared of a link. The running state and link-local addresses are the kernel's to change at any time. */
interface SeenLink {
  readonly name: string;
  readonly kind: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly master: string;
  readonly alias: string;
  readonly addresses: readonly string[];
}

function linksByAddon(): SeenLink[] {
  const answer = binding().network(0);
  if ('errno' in answer)
    throw new Error(`the census cannot read the links: ${answer.call} errno ${answer.errno}`);
  return fromDump(answer);
}

function fromDump(dump: NetworkDump): SeenLink[] {
  const name = new Map(dump.links.map((each) => [each.index, each.name]));
  return dump.links.map((each) => ({
    name: each.name,
    kind: each.kind,
    mac: each.mac,
    mtu: each.mtu,
    up: (each.flags & 1) === 1,
    master: name.get(each.master) ?? '',
    alias: each.alias,
    addresses: dump.addresses
      .filter(({ link: index }) => index === each.index)
      .map(({ address, prefix }) => `${address}/${prefix}`),
  }));
}

interface IpLink {
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly mtu?: number;
  readonly master?: string;
  readonly address?: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

/** Preferred: eyes that share nothing with the program under test. */
function linksByIp(): SeenLink[] {
  const ip = findProgram('ip') ?? 'ip';
  const answer = JSON.parse(execFileSync(ip, ['-j', '-d', 'addr'], { encoding: 'utf8' })) as IpLink[];
  // With some versions of ip the array has empty objects.
  const links = answer.filter((each) => each.ifname !== undefined);
  return links.map((each) => ({
    name: each.ifname ?? '',
    kind: each.linkinfo?.info_kind ?? '',
    mac: each.address ?? '',
    mtu: each.mtu ?? 0,
    up: each.flags?.includes('UP') ?? false,
    master: each.master ?? '',
    alias: each.ifalias ?? '',
    addresses: (each.addr_info ?? []).map(({ local, prefixlen }) => `${local ?? ''}/${prefixlen ?? 0}`),
  }));
}

/** Both ways to read links, for the test that holds them against each other. */
export const linkReaders = { addon: linksByAddon, ip: linksByIp };

function links(foreign: Foreign): Things {
  const things = new Things();
  for (const each of findProgram('ip') === undefined ? linksByAddon() : linksByIp()) {
    if (foreign(each.name) || foreign(each.master)) continue;
    const addresses = each.addresses.filter((address) => !address.startsWith('fe80:'));
    const master = each.master === '' ? '' : ` in ${each.master}`;
    const alias = each.alias === '' ? '' : ` alias ${each.alias}`;
    const state = each.up ? 'up' : 'down';
    const what = `${each.kind || 'link'} ${each.mac} mtu ${each.mtu} ${state}${master}${alias} [${addresses.sort().join(' ')}]`;
    things.add(each.name, what);
  }
  return things;
}

function rules(foreign: Foreign): Things {
  const things = new Things();
  const save = findProgram('iptables-save');
  // Only root may read them, and without root there is nobody who could leave one.
  if (save === undefined || process.getuid?.() !== 0) return things;
  let table = '';
  for (const line of execFileSync(save, [], { encoding: 'utf8', timeout: 10_000 }).split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    // The kernel's own chains appear as soon as someone looks at a table: as they were born they are nothing.
    const born = /^:[A-Z]+ ACCEPT /.test(line);
    if (line === '' || born || /^[#*]|^COMMIT/.test(line) || foreign(line)) continue;
    things.add(`${table}: ${line.replace(/ \[\d+:\d+\]$/, '')}`, '');
  }
  return things;
}

function cgroups(foreign: Foreign): Things {
  const things = new Things();
  const walk = (folder: string): void => {
    let entries;
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      if (path.includes('ts-dock') && !foreign(path)) things.add(path, '');
      walk(path);
    }
  };
  // One may be mounted over another: what lies under it cannot be reached.
  const visible = new Map(mountTable().map((mount) => [mount.target, mount.type]));
  for (const [target, type] of visible) if (/^cgroup2?$/.test(type)) walk(target);
  return things;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly start: string;
  readonly comm: string;
  readonly command: string;
  readonly cgroup: string;
}

function processes(): Process[] {
  const found: Process[] = [];
  for (const name of names('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : undefined;
    if (stat === undefined) continue;
    // The name may hold blanks and brackets: only the last bracket ends it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const pid = Number(name);
    const parent = Number(fields[1]);
    if (pid === 2 || parent === 2) continue;
    // Dead, and orphaned: all that is left is for the host's init to ask for its exit code, in its own good time.
    if (fields[0] === 'Z' && parent === 1) continue;
    found.push({
      pid,
      parent,
      start: fields[19] ?? '',
      comm: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
      command: (read(`/proc/${name}/cmdline`) ?? '').split('\0').join(' ').trim(),
      cgroup: read(`/proc/${name}/cgroup`) ?? '',
    });
  }
  return found;
}

/** Ours: what descends from this process, what ts-dock started (wherever it was moved to), and what names our root. */
function ourProcesses(root: string | undefined, foreign: Foreign): Process[] {
  const all = processes();
  const parents = new Map(all.map((each) => [each.pid, each.parent]));
  const descends = (pid: number): boolean => {
    let parent = parents.get(pid);
    while (parent !== undefined && parent !== 0 && parent !== process.pid) parent = parents.get(parent);
    return parent === process.pid;
  };
  const named = ({ comm, command, cgroup }: Process): boolean =>
    !foreign(command) &&
    !foreign(cgroup) &&
    (/^(dockerinit|ts-dock)/.test(comm) ||
      /(^|\/)(dockerinit|ts-dock)( |$)|ts-dock\.cjs/.test(command) ||
      cgroup.includes('/ts-dock') ||
      (root !== undefined && command.includes(root)));
  return all.filter((each) => each.pid !== process.pid && (descends(each.pid) || named(each)));
}

function describe(each: Process): string {
  return `${each.comm}: ${each.command || 'no command line'}`;
}

function processThings(ours: readonly Process[]): Things {
  const things = new Things();
  for (const each of ours) things.add(`${each.pid} started at ${each.start}`, describe(each));
  return things;
}

/** Network namespaces other than this process's own, each with those of our processes that keep it. */
function namespaces(ours: readonly Process[]): Things {
  const things = new Things();
  const own = link('/proc/self/ns/net');
  const holders = new Map<string, string[]>();
  for (const each of ours) {
    const namespace = link(`/proc/${each.pid}/ns/net`);
    if (namespace === undefined || namespace === own) continue;
    holders.set(namespace, [...(holders.get(namespace) ?? []), `${each.pid} (${each.comm})`]);
  }
  for (const [namespace, who] of holders) things.add(namespace, `kept by ${who.sort().join(', ')}`);
  return things;
}

/** Counted by what they refer to: numbers of pipes and sockets say nothing to anybody. */
function descriptors(): Things {
  const things = new Things();
  const counts = new Map<string, number>();
  for (const fd of names('/proc/self/fd')) {
    const target = link(`/proc/self/fd/${fd}`)?.replace(/:\[\d+\]$/, '');
    if (target === undefined) continue;
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }
  for (const [target, count] of counts) things.add(target, `${count} open`);
  return things;
}

function describeFile(path: string, relativePath: string): string {
  const stat = lstatSync(path);
  const owner = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
  if (stat.isDirectory()) return `folder ${owner}`;
  if (stat.isSymbolicLink()) return `link to ${readlinkSync(path)}`;
  if (!stat.isFile()) return `special file ${owner}`;
  return /(^|\/)journal\//.test(relativePath) ? `file ${owner}` : `file ${owner}, ${stat.size} bytes`;
}

function files(folders: readonly string[], except: (path: string) => boolean): Things {
  const things = new Things();
  const walk = (base: string, folder: string, device: number): void => {
    for (const name of names(folder)) {
      const path = join(folder, name);
      const inside = relative(base, path);
      if (except(inside)) continue;
      try {
        things.add(path, describeFile(path, inside));
        const stat = lstatSync(path);
        if (stat.isDirectory() && stat.dev === device) walk(base, path, device);
      } catch {
        // Gone while it was looked at: then it is not there.
      }
    }
  };
  for (const base of folders) if (existsSync(base)) walk(base, base, lstatSync(base).dev);
  return things;
}

function settings(): Things {
  const things = new Things();
  const forward = '/proc/sys/net/ipv4/ip_forward';
  things.add(forward, (read(forward) ?? 'absent').trim());
  return things;
}

export function takeCensus(options: CensusOptions = {}): Census {
  const foreign = foreignTo(options.root);
  let ours: Process[] | undefined;
  const own = (): Process[] => (ours ??= ourProcesses(options.root, foreign));
  const take: Record<Section, () => Things> = {
    mount: () => mounts(foreign),
    link: () => links(foreign),
    rule: () => rules(foreign),
    cgroup: () => cgroups(foreign),
    namespace: () => namespaces(own()),
    process: () => processThings(own()),
    descriptor: descriptors,
    file: () => files(options.files ?? [], options.except ?? (() => false)),
    setting: settings,
  };
  return new Map((options.only ?? sections).map((section) => [section, take[section]().all]));
}

/** What changed, one sentence each; empty when nothing did. */
export function diffCensus(before: Census, after: Census): string[] {
  const sentences: string[] = [];
  for (const [section, then] of before) {
    const now = after.get(section) ?? new Map<string, string>();
    for (const [key, what] of now) {
      const was = then.get(key);
      const detail = what === '' ? '' : ` (${what})`;
      if (was === undefined) sentences.push(`${section} ${key} is new${detail}`);
      else if (was !== what) sentences.push(`${section} ${key} was: ${was}; is: ${what}`);
    }
    for (const [key, what] of then) {
      if (!now.has(key)) sentences.push(`${section} ${key} is gone${what === '' ? '' : ` (${what})`}`);
    }
  }
  return sentences;
}

/** Looks again, less and less often, until nothing differs or `patience` milliseconds are over; what then still differs. */
export async function settle(before: Census, take: () => Census, patience = 10_000): Promise<string[]> {
  const end = performance.now() + patience;
  for (let wait = 2; ; wait = Math.min(wait * 2, 250)) {
    const left = diffCensus(before, take());
    if (left.length === 0 || performance.now() > end) return left;
    await pause(wait);
  }
}
