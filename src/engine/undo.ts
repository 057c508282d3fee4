/**
 * Undoing: what each kind of compensation asks of the kernel. Needs no step's code, only the journal's data, so that
 * another process can do it. Each looks for the identity of its object first; what is not there is undone already.
 */
import { join } from 'node:path';
import { removeCgroup, removeCgroupParent } from '../daemon/cgroups.ts';
import { deleteChain, deleteRule } from '../daemon/firewall.ts';
import { exitCodeOf } from '../daemon/exit-code.ts';
import { dropImage, restoreTag } from '../daemon/image-undo.ts';
import { readEnd } from '../daemon/monitor-end.ts';
import { changeContainer } from '../daemon/containers.ts';
import { recordEvent, subjectOf } from '../daemon/events.ts';
import { releaseNames } from '../daemon/names.ts';
import { letGoOn } from '../daemon/pause.ts';
import type { Place } from '../daemon/place.ts';
import { startTimeOf } from '../kernel/append.ts';
import { now, refusedWith } from '../kernel/calls.ts';
import { MNT, MS, O, RESOLVE, UMOUNT_NOFOLLOW } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Compensation } from './compensation.ts';
import type { Undone } from './frontend.ts';
import type { Journal, Pending } from './journal.ts';

export interface UndoContext {
  readonly sys: Kernel;
  readonly place: Place;
  /** The container's processes have ended, so the kernel is taking its network namespace down by itself. */
  readonly ended: boolean;
}

/** Undoes backwards. A refusal is reported and written down, and never stops the rest. */
export async function unwind(
  context: UndoContext,
  pending: readonly Pending[],
  journal: Journal,
  say: (undone: Undone) => void,
): Promise<Undone[]> {
  const failed: Undone[] = [];
  for (const { i, step, compensation } of [...pending].reverse()) {
    const at = now();
    let error = '';
    try {
      await compensate(context, compensation);
    } catch (caught) {
      error = caught instanceof Error ? caught.message : String(caught);
    }
    const end = now();
    journal.note({ k: 'undone', i, at, end, ok: error === '', error });
    const undone = { step, compensation, ok: error === '', error, ns: end - at };
    if (error !== '') failed.push(undone);
    say(undone);
  }
  return failed;
}

async function compensate(context: UndoContext, c: Compensation): Promise<void> {
  const { sys, place } = context;
  switch (c.kind) {
    case 'unmount':
      unmount(sys, join(place.root, c.path), c.fstype, c.source);
      return;
    case 'delete-link':
      deleteLink(context, c);
      return;
    case 'delete-rule':
      deleteRule(sys, c.table, c.chain, c.rule);
      return;
    case 'delete-chain':
      deleteChain(sys, c.table, c.chain);
      return;
    case 'remove-cgroup':
      await removeCgroup(sys, c.parent, c.name);
      return;
    case 'remove-cgroup-parent':
      removeCgroupParent(sys, c.parent);
      return;
    case 'remove-tree':
    case 'remove-file':
      beneathRoot(sys, place.root, c.path, (folder, name) => {
        sys.removeTree(folder, name);
      });
      return;
    case 'release-lease':
      if (sys.readIfThere(join(place.root, c.path)) === c.content) sys.unlink(join(place.root, c.path));
      return;
    case 'release-name':
      releaseNames(sys, place, c.name, c.id);
      return;
    case 'drop-image':
      dropImage(sys, place, c.id, c.layers);
      return;
    case 'restore-tag':
      restoreTag(sys, place, c);
      return;
    case 'restore-file':
      if (sys.readIfThere(c.file)?.trim() === c.ours.trim()) sys.writeFile(c.file, c.old);
      return;
    case 'kill-process':
      await killProcess(sys, c.pid, c.startTime);
      return;
    case 'thaw':
      letGoOn(sys, place, c.container);
      return;
    case 'settle-state':
      settleState(sys, place, c.container);
      return;
    case 'user-data':
      return;
  }
}

function unmount(sys: Kernel, path: string, fstype: string, source: string): void {
  const ours = sys
    .readFile('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [type, from] = after.split(' ');
      return before.split(' ')[4] === path && type === fstype && from === source;
    });
  // One upon the other, where there are several.
  for (let left = ours.length; left > 0; left -= 1) {
    try {
      sys.umount(path, UMOUNT_NOFOLLOW);
    } catch (error) {
      if (!refusedWith(error, 'EBUSY')) throw error;
      // What is mounted in it goes along. A volume may be a copy of the host's mounts that still shares its fate with them:
      // then those of the host would go as well.
      sys.mount('', path, '', MS.PRIVATE | MS.REC, '');
      sys.umount(path, MNT.DETACH | UMOUNT_NOFOLLOW);
    }
  }
}

/** A veth of a namespace that has ended is left to the kernel: deleting it ourselves would wait 14 to 36 ms for the same. */
function deleteLink({ sys, ended }: UndoContext, c: Extract<Compensation, { kind: 'delete-link' }>): void {
  if (ended && c.master !== '') return;
  const links = sys.network(0).links;
  const link = links.find(({ name }) => name === c.name);
  if (link === undefined) return;
  const master = links.find(({ name }) => name === c.master);
  const ours =
    link.alias === c.alias || (link.alias === '' && master !== undefined && link.master === master.index);
  if (!ours) return;
  try {
    sys.linkDelete(link.index);
  } catch (error) {
    if (!refusedWith(error, 'ENODEV')) throw error;
  }
}

function beneathRoot(
  sys: Kernel,
  root: string,
  path: string,
  act: (folder: number, name: string) => void,
): void {
  const cut = path.lastIndexOf('/');
  const folder = cut < 0 ? '.' : path.slice(0, cut);
  const top = sys.openat2(-100, root, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    const fd = sys.openat2(
      top,
      folder,
      O.RDONLY | O.DIRECTORY | O.CLOEXEC,
      0,
      RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS,
    );
    try {
      act(fd, path.slice(cut + 1));
    } finally {
      sys.close(fd);
    }
  } catch (error) {
    if (!refusedWith(error, 'ENOENT')) throw error;
  } finally {
    sys.close(top);
  }
}

/** Pid and start time together name a process; the pidfd keeps naming it while it is looked at and killed. */
async function killProcess(sys: Kernel, pid: number, startTime: string): Promise<void> {
  // The monitor that a run began has become this process, which undoes the run.
  if (pid === process.pid) return;
  if (startTimeOf(pid) !== startTime) return;
  let pidfd: number;
  try {
    pidfd = sys.pidfdOpen(pid);
  } catch (error) {
    if (refusedWith(error, 'ESRCH')) return;
    throw error;
  }
  try {
    if (startTimeOf(pid) !== startTime) return;
    sys.pidfdSend(pidfd, 9);
    await sys.readable(pidfd);
    sys.waitPidfd(pidfd);
  } catch (error) {
    // Not our child (another process began this run), or gone meanwhile: both are what was wanted.
    if (!refusedWith(error, 'ESRCH', 'ECHILD')) throw error;
  } finally {
    sys.close(pidfd);
  }
}

/** Nobody but perhaps its monitor saw this container end: else 255, as Docker says of a container that it finds dead. */
function settleState(sys: Kernel, place: Place, id: string): void {
  const FinishedAt = new Date().toISOString();
  const ended = readEnd(sys, place, id);
  const ExitCode = ended === undefined ? 255 : exitCodeOf(ended.ended);
  const over = { Running: false, Paused: false, Restarting: false, Pid: 0 };
  const container = changeContainer(sys, place, id, (found) => {
    const { Running, Restarting } = found.State;
    const end = Running ? { ExitCode, FinishedAt } : {};
    return Running || Restarting ? { ...found, State: { ...found.State, ...over, ...end } } : found;
  });
  if (container?.State.FinishedAt === FinishedAt)
    recordEvent(place, 'die', subjectOf(container), { exitCode: ExitCode.toString() });
}
