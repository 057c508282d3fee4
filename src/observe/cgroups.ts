/** The container's control groups: that they are there, what they hold to, and who is in them. */
import { join } from 'node:path';
import { parseHierarchies } from '../daemon/cgroups.ts';
import type { Subject } from './names.ts';
import { isFolder, readKernelFile, readMountinfo, readNames } from './read.ts';

const FILES: Readonly<Record<string, readonly string[]>> = {
  cpu: ['cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us'],
  cpuset: ['cpuset.cpus', 'cpuset.mems'],
  memory: ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'],
  blkio: ['blkio.throttle.read_iops_device', 'blkio.throttle.write_iops_device'],
  freezer: ['freezer.state'],
  devices: ['devices.list'],
  pids: ['pids.max'],
  unified: [
    'cgroup.controllers',
    'cgroup.subtree_control',
    'cpu.weight',
    'cpu.max',
    'cpuset.cpus',
    'cpuset.mems',
    'memory.max',
    'memory.swap.max',
    'io.max',
    'pids.max',
    'cgroup.freeze',
  ],
};

const MOST_MEMBERS = 16;

export function cgroups({ cgroupParent, containerId, pid }: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  const beside = new Map<string, string[]>();
  const { list } = parseHierarchies(readMountinfo('self'));
  for (const { controllers, mount } of list) {
    const label = controllers.join(',');
    const parent = join(mount, cgroupParent);
    if (!isFolder(parent)) continue;
    lines[`${label} parent`] = parent;
    for (const other of siblings(parent, containerId))
      beside.set(other, [...(beside.get(other) ?? []), label]);
    const group = containerId === undefined ? '' : join(parent, containerId);
    if (group !== '' && isFolder(group)) describe(lines, label, group, controllers);
  }
  for (const [other, labels] of [...beside].slice(0, MOST_MEMBERS))
    lines[`group of ${other.slice(0, 12)}`] = labels.join(' ');
  if (pid !== undefined) membership(lines, pid);
  return lines;
}

/** Other containers' groups: they are listed, and not looked into. */
function siblings(parent: string, containerId: string | undefined): string[] {
  return readNames(parent).filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== containerId);
}

function describe(
  lines: Record<string, string>,
  label: string,
  group: string,
  controllers: readonly string[],
): void {
  lines[`${label} group`] = group;
  for (const file of controllers.flatMap((controller) => FILES[controller] ?? [])) {
    const text = readKernelFile(join(group, file));
    if (text !== undefined) lines[`${label} ${file}`] = valueOf(file, text.trim());
  }
  const members = (readKernelFile(join(group, 'cgroup.procs')) ?? '')
    .split('\n')
    .filter((line) => line !== '');
  const more = members.length > MOST_MEMBERS ? ` +${members.length - MOST_MEMBERS} more` : '';
  lines[`${label} members`] =
    members.length === 0 ? 'none' : `${members.slice(0, MOST_MEMBERS).join(' ')}${more}`;
}

function valueOf(file: string, text: string): string {
  if (text === '') return 'empty';
  if (!file.startsWith('memory.') || !/^\d+$/.test(text)) return text.replace(/\n/g, ', ');
  // v1 writes "no limit" as the highest multiple of a page below 2^63.
  if (text.length >= 19) return 'no limit';
  const mib = Number(text) / 1024 ** 2;
  return Number.isInteger(mib) ? `${text} (${mib} MiB)` : text;
}

/** Where the kernel says that the process is: the proof that it joined. */
function membership(lines: Record<string, string>, pid: number): void {
  for (const line of (readKernelFile(`/proc/${pid}/cgroup`) ?? '').split('\n')) {
    const [, , names, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (names !== undefined && path !== undefined)
      lines[`process in ${names === '' ? 'unified' : names}`] = path;
  }
}
