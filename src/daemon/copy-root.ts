/**
 * The root of a container as a descriptor, for whatever copies from it or to it. All that follows goes beneath that
 * descriptor; no path of the host is ever made of one of the container (CVE-2018-15664, CVE-2026-41568).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { TsDockError } from '../engine/failure.ts';
import { readStory } from '../engine/journal.ts';
import { startTimeOf } from '../kernel/append.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, MS, O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { findContainer, readStored, startedBy, takeStart, type StoredContainer } from './containers.ts';
import { mountLayers } from './layer-mount.ts';
import { mountPoint } from './layers.ts';
import type { Place } from './place.ts';
import { holdProcess, type HeldProcess } from './processes.ts';
import { ensureDirInRoot } from './rootfs.ts';
import { supervisedBy, teardownOver } from './supervision.ts';
import { checkSource, parseBind } from './volumes.ts';

/** Links are followed as the container would: `/` is its root, `..` ends there. Those of /proc lead out of it, and nowhere. */
export const INSIDE = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/** Commands that have a container for as long as they read or write its files. */
const COPIERS = ['cp', 'export'];

/** Milliseconds that a start may take. One that stands at a breakpoint takes as long as somebody thinks. */
const START_PATIENCE = 5_000;
const START_LOOK = 10;

export interface Occupied extends StoredContainer {
  /** Process 1 of the container; undefined: it does not run, and cannot be started before this run gives it back. */
  readonly held: HeldProcess | undefined;
}

/**
 * Finds a container and sees to it that its root stays what it is: a running one by holding its process, another by the
 * lease that a start would need. Waits for whoever is at its files already.
 */
export async function occupy(
  sys: Kernel,
  place: Place,
  wanted: string,
  run: string,
  over: Promise<void>,
): Promise<Occupied> {
  const id = findContainer(sys, place, wanted).container.ID;
  for (let waited = 0; ;) {
    const stored = readStored(sys, place, id) ?? findContainer(sys, place, id);
    const { phase, run: holder } = supervisedBy(sys, place, stored.container);
    if (phase === 'running') {
      const held = holdProcess(sys, place, id);
      if (held !== undefined) return { ...stored, held };
    } else if (phase === 'idle' && takeStart(sys, place, id, run)) return { ...stored, held: undefined };
    if (phase === 'idle') continue;
    const passing = phase === 'ending' || phase === 'running' || copies(sys, place, holder);
    if (!passing) {
      if (waited >= START_PATIENCE) throw beingStarted(wanted);
      waited += START_LOOK;
      await pause(START_LOOK);
    } else if (!(await teardownOver(sys, place, holder, over)))
      throw new TsDockError('interrupted', `nothing was copied: somebody asked for the end`);
  }
}

function copies(sys: Kernel, place: Place, run: string): boolean {
  return COPIERS.includes(readStory(sys, place.journal, run).begin?.command ?? '');
}

/** Waits until a copy gives the container back; false where it is not a copy that has it, or `over` came first. */
export async function copyOver(sys: Kernel, place: Place, id: string, over: Promise<void>): Promise<boolean> {
  const holder = startedBy(sys, place, id);
  return holder !== undefined && copies(sys, place, holder) && teardownOver(sys, place, holder, over);
}

function beingStarted(wanted: string): TsDockError {
  return new TsDockError('not-running', `cannot copy: ${wanted} is being started`, {
    means: 'Its root is neither at rest nor complete at this moment.',
    remedy: 'Try again when `ts-dock ps` lists it.',
  });
}

/** The root as the container's processes see it, volumes and all. The caller closes it. */
export function rootOfProcess(sys: Kernel, { pid, startTime }: HeldProcess, wanted: string): number {
  let fd: number | undefined;
  try {
    fd = sys.openat2(AT_FDCWD, `/proc/${pid.toString()}/root`, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  } catch (error) {
    if (!refusedWith(error, 'ENOENT', 'ESRCH', 'EACCES')) throw error;
  }
  // Still the same process now, so it was the same when its root was opened: the pid may have been given away.
  if (fd !== undefined && startTimeOf(pid) === startTime) return fd;
  if (fd !== undefined) sys.close(fd);
  throw new TsDockError('not-running', `cannot copy: ${wanted} has just ended`, { remedy: 'Try again.' });
}

/** The layers as the host has them mounted while a container runs: without its volumes, /proc, /sys and /dev. */
export function rootOfLayers(sys: Kernel, place: Place, id: string, wanted: string): number {
  const fd = sys.openat2(AT_FDCWD, mountPoint(place, id), O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  if (sys.fstatfs(fd) === OVERLAYFS) return fd;
  sys.close(fd);
  throw new TsDockError('not-running', `cannot copy: ${wanted} has just ended`, { remedy: 'Try again.' });
}

/** OVERLAYFS_SUPER_MAGIC. */
const OVERLAYFS = 0x794c7630;

/**
 * Mounts the layers of a container that does not run, and, where asked for, its volumes upon them, and opens its root. The
 * host sees them for as long as the run takes; nothing of it is executed, and no set-user-id bit counts.
 *
 * @param writing - something is to be changed in it
 */
export function mountedRoot(
  sys: Kernel,
  place: Place,
  { container, hostConfig }: StoredContainer,
  { writing, volumes }: { readonly writing: boolean; readonly volumes: boolean },
): number {
  const readonly = !writing || hostConfig.ReadonlyRootfs;
  const flags = MS.NODEV | MS.NOSUID | MS.NOEXEC | (readonly ? MS.RDONLY : 0);
  const { rootfs } = mountLayers(sys, place, container, flags, false);
  // Other mount namespaces of the host need not see what comes and goes here.
  sys.mount('', rootfs, '', MS.PRIVATE, '');
  if (volumes) {
    const wanted = new Map(
      Object.entries(container.Volumes).map(([at, source]) => [
        at,
        { source, writable: container.VolumesRW[at] !== false },
      ]),
    );
    for (const bind of hostConfig.Binds.map(parseBind)) {
      checkSource(sys, bind);
      wanted.set(bind.destination, bind);
    }
    // Outer ones first: one may lie in another.
    for (const [at, { source, writable }] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1)))
      mountVolume(sys, rootfs, source, at, writable, !readonly);
  }
  return sys.openat2(AT_FDCWD, rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
}

/** Where there is no place for it yet and none may be made, it is not there yet, as for the container before its first start. */
function mountVolume(
  sys: Kernel,
  rootfs: string,
  source: string,
  at: string,
  writable: boolean,
  make: boolean,
): void {
  if (make && sys.stat(source).isDirectory()) ensureDirInRoot(sys, rootfs, at);
  onPlace(sys, rootfs, at, (target) => {
    sys.mount(source, target, '', MS.BIND | MS.REC, '');
  });
  onPlace(sys, rootfs, at, (target) => {
    sys.mount('', target, '', MS.PRIVATE | MS.REC, '');
    if (!writable) sys.mount('', target, '', MS.REMOUNT | MS.BIND | MS.RDONLY, '');
  });
}

/** Opened anew for each call: the descriptor from before a mount leads to what the mount hides. */
function onPlace(sys: Kernel, rootfs: string, at: string, act: (target: string) => void): void {
  const root = sys.openat2(AT_FDCWD, rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    const fd = sys.openat2(root, at, O.PATH | O.CLOEXEC, 0, INSIDE);
    try {
      act(`/proc/self/fd/${fd.toString()}`);
    } finally {
      sys.close(fd);
    }
  } catch (error) {
    if (!refusedWith(error, 'ENOENT', 'ENOTDIR')) throw error;
  } finally {
    sys.close(root);
  }
}
