/** The private copy of dockerinit in a root: the file that becomes the first process of each container. */
import { dirname, join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { buildFolder } from '../kernel/binding.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { underLock } from './lock.ts';
import type { Place } from './place.ts';

export interface InitCopy {
  /** Where the build has it. */
  readonly source: string;
  readonly copy: string;
  /** Says of which file `copy` was made, so that a rebuilt dockerinit is noticed without reading both. */
  readonly stamp: string;
}

export function initCopyOf(sys: Kernel, place: Place): InitCopy {
  const build = buildFolder();
  const { version } = JSON.parse(sys.readFile(join(dirname(build), 'package.json'))) as { version: string };
  const copy = join(place.init, `dockerinit-${version}`);
  return { source: join(build, 'dockerinit'), copy, stamp: `${copy}.of` };
}

/** The path of the copy, which is made where it is not there, or not that of today's build. Never within {@link underLock}. */
export function freshInit(sys: Kernel, place: Place): { readonly path: string; readonly made: boolean } {
  const init = initCopyOf(sys, place);
  if (isFresh(sys, init)) return { path: init.copy, made: false };
  underLock(sys, place, () => {
    if (!isFresh(sys, init)) copyInit(sys, place, init);
  });
  return { path: init.copy, made: true };
}

/**
 * A copy in memory that nobody can write, as a descriptor: through /proc/self/exe a container reaches this, and never the
 * file (CVE-2019-5736).
 */
export function sealInit(sys: Kernel, path: string): number {
  const file = sys.openat2(AT_FDCWD, path, O.RDONLY | O.CLOEXEC | O.NOFOLLOW, 0, 0);
  try {
    return sys.sealedCopy(file, 'dockerinit');
  } finally {
    sys.close(file);
  }
}

/** Whether the copy is that of today's build. */
function isFresh(sys: Kernel, { source, copy, stamp }: InitCopy): boolean {
  return sys.readIfThere(stamp) === `${fingerprint(sys, source)} ${fingerprint(sys, copy)}`;
}

/** Makes the copy, whole or not at all: another run may be starting from it at this moment. Needs the lock. */
function copyInit(sys: Kernel, place: Place, { source, copy, stamp }: InitCopy): void {
  sys.ensureDir(place.init, 0o700);
  const half = `${copy}.tmp`;
  const made = fingerprint(sys, source);
  if (made === '') throw notBuilt(source);
  sys.copyFile(source, half);
  sys.chmod(half, 0o700);
  sys.rename(half, copy);
  // Last: killed before this line, the next run copies again.
  sys.writeFile(stamp, `${made} ${fingerprint(sys, copy)}`);
}

/** Size, time and inode; empty where there is no such file. */
function fingerprint(sys: Kernel, path: string): string {
  try {
    const { size, mtimeMs, ino } = sys.stat(path);
    return `${size}/${mtimeMs}/${ino}`;
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return '';
    throw error;
  }
}

function notBuilt(source: string): TsDockError {
  return new TsDockError('missing-feature', `there is no dockerinit at ${source}`, {
    means: 'The native part of ts-dock was not built.',
    remedy: 'Build it with `npm run build`.',
  });
}
