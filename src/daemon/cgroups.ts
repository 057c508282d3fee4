/**
 * One concept of cgroups over two back ends: a group `<hierarchy>/<parent>/<name>` per container, its limits as a list of
 * settings (cgroups-v1.ts, cgroups-v2.ts), and its end.
 *
 * The parent lies at the root of each hierarchy's mount, wherever ts-dock itself was put: so another process can find and
 * remove the group by its two names alone.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { TsDockError } from '../engine/failure.ts';
import type { Resources } from '../flows/values.ts';
import type { Watch } from '../kernel/binding.ts';
import { KernelError, refusedWith } from '../kernel/calls.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { fillCpuset, settingsV1, V1_CONTROLLERS } from './cgroups-v1.ts';
import { enableControllers, settingsV2 } from './cgroups-v2.ts';
import { limitError, type Setting } from './cgroup-settings.ts';

/** Where one hierarchy is mounted; on v2 there is one, and its controllers are said by its own files. */
export interface Hierarchy {
  readonly controllers: readonly string[];
  readonly mount: string;
  /** What of the hierarchy is mounted there: `/`, or less inside a container. */
  readonly root: string;
}

export interface Hierarchies {
  readonly version: 'v1' | 'v2' | 'none';
  readonly list: readonly Hierarchy[];
}

// --- where they are -------------------------------------------------------------------------------------------------

const known = new WeakMap<Kernel, Hierarchies>();

/** Asked once: a host does not mount them anew while a command runs, and its list of mounts is long. */
export function hierarchies(sys: Kernel): Hierarchies {
  let found = known.get(sys);
  if (found === undefined) {
    found = parseHierarchies(sys.readFile('/proc/self/mountinfo'));
    known.set(sys, found);
  }
  return found;
}

/** Where both kinds are mounted (hybrid) the controllers are v1's, and the unified one has no more than names. */
export function parseHierarchies(mountinfo: string): Hierarchies {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [, , , root = '', mount = ''] = left.split(' ');
    const [type, , options = ''] = right.split(' ');
    return type === 'cgroup' || type === 'cgroup2'
      ? [{ type, root, mount, options: options.split(',') }]
      : [];
  });
  const v1 = mounts
    .filter(({ type }) => type === 'cgroup')
    .map(({ root, mount, options }) => ({
      root,
      mount,
      controllers: V1_CONTROLLERS.filter((c) => options.includes(c)),
    }))
    .filter(({ controllers }) => controllers.length > 0);
  if (v1.length > 0) return { version: 'v1', list: firstOfEach(v1) };
  const unified = mounts.find(({ type }) => type === 'cgroup2');
  if (unified === undefined) return { version: 'none', list: [] };
  return { version: 'v2', list: [{ root: unified.root, mount: unified.mount, controllers: ['unified'] }] };
}

/** A hierarchy may be mounted in several places: the first is as good as any. */
function firstOfEach(list: readonly Hierarchy[]): Hierarchy[] {
  const seen = new Set<string>();
  return list.filter(({ controllers }) => {
    const fresh = controllers.some((controller) => !seen.has(controller));
    for (const controller of controllers) seen.add(controller);
    return fresh;
  });
}

// --- making ---------------------------------------------------------------------------------------------------------

/** `refused`: a sentence for each hierarchy that this host does not let us use. */
export interface Made {
  readonly version: Hierarchies['version'];
  readonly made: readonly string[];
  readonly refused: readonly string[];
}

/** Makes the parent in every hierarchy, ready for groups beneath it. Needs the lock. */
export function makeParent(sys: Kernel, parent: string): Made {
  const { version, list } = hierarchies(sys);
  const made: string[] = [];
  const refused: string[] = [];
  for (const { mount, controllers } of list) {
    const folder = join(mount, parent);
    const refusal = tolerated(() => {
      if (sys.ensureDir(folder, 0o755)) made.push(folder);
      if (controllers.includes('cpuset')) fillCpuset(sys, folder);
    });
    if (refusal !== undefined) refused.push(`${controllers.join(',')} cannot be used: ${refusal.message}`);
    else if (version === 'v2') refused.push(...enableControllers(sys, mount, folder));
  }
  return { version, made, refused };
}

/** The group's directory by controller; hierarchies that this host keeps to itself are left out. */
export function makeGroup(sys: Kernel, parent: string, name: string): Readonly<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const { mount, controllers } of hierarchies(sys).list) {
    const folder = join(mount, parent, name);
    const refusal = tolerated(() => {
      sys.ensureDir(folder, 0o755);
      if (controllers.includes('cpuset')) fillCpuset(sys, folder);
    });
    if (refusal === undefined) for (const controller of controllers) paths[controller] = folder;
  }
  return paths;
}

/** The directories of a group that is there, by controller. */
export function groupPaths(sys: Kernel, parent: string, name: string): Readonly<Record<string, string>> {
  const found = hierarchies(sys).list.flatMap(({ mount, controllers }) =>
    controllers.map((controller) => [controller, join(mount, parent, name)] as const),
  );
  return Object.fromEntries(found.filter(([, folder]) => sys.exists(folder)));
}

/** Inside another container the hierarchies are often there to be read only: no reason not to run what asks for no limit. */
function tolerated(act: () => void): KernelError | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (refusedWith(error, 'EROFS', 'EACCES', 'EPERM')) return error;
    throw error;
  }
}

/** The files that dockerinit writes `0` into to join: on v1 `tasks`, which for one thread needs no global lock. */
export function joinFiles(paths: Readonly<Record<string, string>>): string[] {
  const file = 'unified' in paths ? 'cgroup.procs' : 'tasks';
  return [...new Set(Object.values(paths))].map((folder) => join(folder, file));
}

// --- limits ---------------------------------------------------------------------------------------------------------

/** Sets what was asked for; what cannot be set is an error. Gives sentences for the card. */
export function setLimits(
  sys: Kernel,
  paths: Readonly<Record<string, string>>,
  asked: Resources,
): readonly string[] {
  const { settings, notes } =
    'unified' in paths ? settingsV2(sys, paths, asked) : settingsV1(sys, paths, asked);
  for (const setting of settings) apply(sys, paths, setting);
  return notes;
}

function apply(sys: Kernel, paths: Readonly<Record<string, string>>, setting: Setting): void {
  const folder = paths[setting.controller];
  if (folder === undefined)
    throw limitError(setting, setting.file, `there is no ${setting.controller} hierarchy`);
  const file = join(folder, setting.file);
  try {
    sys.writeFile(file, setting.value);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    // A file that is not there cannot be made either: the kernel says EACCES, and means ENOENT.
    throw limitError(
      setting,
      file,
      sys.exists(file) ? error.message : 'this kernel has no such file here',
      error,
    );
  }
}

// --- proof ----------------------------------------------------------------------------------------------------------

/** Asks the kernel, and not dockerinit, whether `pid` is in its groups. */
export function verifyJoined(sys: Kernel, pid: number, paths: Readonly<Record<string, string>>): void {
  const lines = sys.readFile(`/proc/${pid}/cgroup`).split('\n');
  const found = new Map<string, string>();
  for (const line of lines) {
    const [whole, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (whole === undefined) continue;
    for (const each of controllers === '' ? ['unified'] : controllers.split(',')) found.set(each, path);
  }
  for (const { controllers, mount, root } of hierarchies(sys).list) {
    for (const controller of controllers) {
      const folder = paths[controller];
      if (folder === undefined) continue;
      const wanted = join(root, folder.slice(mount.length));
      if (found.get(controller) !== wanted)
        throw notJoined(pid, controller, wanted, found.get(controller) ?? 'none');
    }
  }
}

function notJoined(pid: number, controller: string, wanted: string, is: string): TsDockError {
  return new TsDockError(
    'handshake',
    `process ${pid} is not in its ${controller} cgroup: it is in ${is}, not ${wanted}`,
    {
      means: 'dockerinit said that it joined, but the kernel says otherwise, so the limits would not hold.',
    },
  );
}

// --- what it used ---------------------------------------------------------------------------------------------------

/** Of all processes that were ever in the group: nanoseconds of CPU and most bytes at once. Undefined where the host does not count. */
export interface Used {
  readonly cpu: number | undefined;
  readonly peak: number | undefined;
}

export function usedBy(sys: Kernel, paths: Readonly<Record<string, string>>): Used {
  const read = (controller: string, file: string): string | undefined => {
    const folder = paths[controller];
    return folder === undefined ? undefined : sys.readIfThere(join(folder, file))?.trim();
  };
  const number = (text: string | undefined): number | undefined =>
    text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  if (!('unified' in paths))
    return {
      cpu: number(read('cpuacct', 'cpuacct.usage')),
      peak: number(read('memory', 'memory.max_usage_in_bytes')),
    };
  const microseconds = number(/^usage_usec (\d+)$/m.exec(read('unified', 'cpu.stat') ?? '')?.[1]);
  return {
    cpu: microseconds === undefined ? undefined : microseconds * 1000,
    peak: number(read('unified', 'memory.peak')),
  };
}

// --- the end --------------------------------------------------------------------------------------------------------

const PATIENCE_MS = 10_000;
const SIGKILL = 9;

/** Kills every member in every hierarchy and removes the group. What is not there is removed already. */
export async function removeCgroup(sys: Kernel, parent: string, name: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  let left = hierarchies(sys).list.map(({ mount }) => join(mount, parent, name));
  for (let wait = 1; ; wait = Math.min(wait * 2, 20)) {
    left = left.filter((folder) => !removed(sys, folder));
    if (left.length === 0) return;
    const groups = left.flatMap((folder) => subtree(sys, folder));
    await killMembers(sys, groups, deadline - Date.now());
    left = left.filter((folder) => !removedTree(sys, folder));
    if (left.length === 0) return;
    if (Date.now() > deadline) throw stillThere(left);
    // Nobody lives in it any more, or somebody was born meanwhile: the kernel has no event for either on v1.
    await pause(wait);
  }
}

/** Another container's group in it keeps the parent, which is right. */
export function removeCgroupParent(sys: Kernel, parent: string): void {
  for (const { mount } of hierarchies(sys).list) removed(sys, join(mount, parent));
}

function stillThere(left: readonly string[]): TsDockError {
  return new TsDockError('still-running', `the cgroup ${left.join(', ')} cannot be emptied`, {
    means:
      'A process in it does not end, although it was killed: it waits within the kernel, usually for a disk.',
    remedy: 'Try `ts-dock recover` later.',
  });
}

function removed(sys: Kernel, folder: string): boolean {
  try {
    sys.rmdir(folder);
    return true;
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return true;
    if (refusedWith(error, 'EBUSY', 'ENOTEMPTY')) return false;
    throw error;
  }
}

/** The group and those beneath it, which the container may have made, parents first. */
function subtree(sys: Kernel, folder: string): string[] {
  return [folder, ...foldersIn(sys, folder).flatMap((child) => subtree(sys, child))];
}

function foldersIn(sys: Kernel, folder: string): string[] {
  return gone([], () =>
    sys
      .readdirPath(folder)
      .map((name) => join(folder, name))
      .filter((path) => gone(false, () => sys.lstat(path).isDirectory())),
  );
}

function removedTree(sys: Kernel, folder: string): boolean {
  for (const child of foldersIn(sys, folder)) removedTree(sys, child);
  return removed(sys, folder);
}

/** Of things that vanish while one looks at them. */
function gone<T>(without: T, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENODEV', 'ESRCH')) return without;
    throw error;
  }
}

/** Frozen first, so that nobody is born while the list is walked (v1); v2 has one file that does all of it. */
async function killMembers(sys: Kernel, groups: readonly string[], patience: number): Promise<void> {
  const members = new Map<number, number>();
  const states = groups.map((group) => join(group, 'freezer.state')).filter((file) => sys.exists(file));
  try {
    for (const file of states) gone(undefined, () => sys.writeFile(file, 'FROZEN'));
    for (const group of groups) collectMembers(sys, group, members);
    for (const pidfd of members.values()) gone(undefined, () => sys.pidfdSend(pidfd, SIGKILL));
    for (const file of groups.map((group) => join(group, 'cgroup.kill'))) {
      if (sys.exists(file)) gone(undefined, () => sys.writeFile(file, '1'));
    }
  } finally {
    // Frozen processes do not even die.
    for (const file of states) gone(undefined, () => sys.writeFile(file, 'THAWED'));
  }
  try {
    await ended(sys, [...members.values()], patience);
  } finally {
    for (const pidfd of members.values()) sys.close(pidfd);
  }
}

/** Each member by pidfd, looked at once more when the pidfd is held: a pid alone may be somebody else's by now. */
function collectMembers(sys: Kernel, group: string, members: Map<number, number>): void {
  const pids = gone('', () => sys.readFile(join(group, 'cgroup.procs')));
  const tail = group.split('/').slice(-2).join('/');
  for (const pid of pids.split('\n').map(Number)) {
    if (pid === 0 || members.has(pid)) continue;
    const pidfd = gone(undefined, () => sys.pidfdOpen(pid));
    if (pidfd === undefined) continue;
    const still = gone('', () => sys.readFile(`/proc/${pid}/cgroup`)).includes(tail);
    if (still) members.set(pid, pidfd);
    else sys.close(pidfd);
  }
}

/** Waits until all have ended, but not longer than `patience`. */
async function ended(sys: Kernel, pidfds: readonly number[], patience: number): Promise<void> {
  const watches: Watch[] = [];
  const all = pidfds.map(
    (pidfd) => new Promise<void>((resolve) => watches.push(sys.watch(pidfd, POLL.IN, () => resolve()))),
  );
  const over = new AbortController();
  const late = pause(Math.max(patience, 0), undefined, { signal: over.signal }).catch(() => undefined);
  await Promise.race([Promise.all(all), late]);
  over.abort();
  for (const watch of watches) watch.stop();
}
