/**
 * The end of a root: its runs, what the host keeps for it, its folder. In an order in which every line may be the last
 * that is reached: journals go only when nothing is left to undo, the format file goes last, so that whoever comes again
 * still knows the folder as ts-dock's and goes on where this one was killed.
 */
import { basename, dirname, join } from 'node:path';
import { forgetFirewall } from '../daemon/firewall.ts';
import { listContainers } from '../daemon/containers.ts';
import { imageIds } from '../daemon/images.ts';
import { listImages, NONE } from '../daemon/inspect.ts';
import type { Place } from '../daemon/place.ts';
import { checkFormat, FORMAT_FILE } from '../daemon/store.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT, AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { TsDockError } from './failure.ts';
import type { Undone } from './frontend.ts';
import { HostLedger } from './host-journal.ts';
import { openRuns, readStory } from './journal.ts';
import { recover } from './recovery.ts';
import { unwind } from './undo.ts';

/** Undoes all that the host stage made. What could not be undone stays written down, for the next time. */
export async function hostDown(sys: Kernel, place: Place, say: (undone: Undone) => void): Promise<Undone[]> {
  const ledger = new HostLedger(sys, place);
  const story = ledger.story();
  if (story.pending.length === 0) return [];
  const journal = ledger.journal(story);
  const failed = await unwind({ sys, place, ended: false }, story.pending, journal, say);
  journal.leave();
  forgetFirewall(sys, place);
  if (failed.length === 0) ledger.clear();
  return failed;
}

export interface UninstallSettings {
  readonly sys: Kernel;
  readonly place: Place;
  /** What runs is ended too. */
  readonly force: boolean;
  /** A compensation, done or not. */
  undone(undone: Undone): void;
  /** Anything else that was removed, or that stays and why. */
  say(text: string): void;
}

/** False where something could not be removed; each has been said. */
export async function uninstall(settings: UninstallSettings): Promise<boolean> {
  const { sys, place, force, undone, say } = settings;
  if (!isOurs(sys, place)) {
    say(`There is no ${place.root}: nothing to remove.`);
    return true;
  }
  refuseMounts(sys, place, isOfContainer(place));
  const living = livingRuns(sys, place);
  if (living.length > 0 && !force) throw stillRunning(place, living);
  for (const run of living) {
    await endSupervisors(sys, place, run);
    say(`ended    ${run.text}`);
  }
  const recovered = await recover(sys, place, undone);
  const lost = recovered.flatMap(({ failed }) => failed);
  if (lost.length > 0) return false;
  // Begun meanwhile: the host may not be taken from under it.
  refuseLiving(sys, place);
  // Whatever could not be undone is written down in the folder that would go.
  if ((await hostDown(sys, place, undone)).length > 0) return false;
  refuseLiving(sys, place);
  refuseMounts(sys, place, () => false);
  tellContent(settings);
  return removeRoot(settings);
}

// --- whose it is ----------------------------------------------------------------------------------------------------

/** Undefined format and an empty folder that only root may enter: what a removal that was killed in its last line leaves. */
function isOurs(sys: Kernel, place: Place): boolean {
  if (!sys.exists(place.root)) return false;
  const format = sys.readIfThere(join(place.root, FORMAT_FILE));
  if (format !== undefined) {
    checkFormat(place, format);
    return true;
  }
  const { uid, mode } = sys.lstat(place.root);
  if (uid === 0 && (mode & 0o7777) === 0o700 && sys.readdirPath(place.root).length === 0) return true;
  throw new TsDockError('bad-config', `cannot remove ${place.root}: there is no file ${FORMAT_FILE} in it`, {
    means: 'That file says that a folder was made by ts-dock. Nothing was removed.',
    remedy: 'Give --root the folder that ts-dock was used with.',
  });
}

interface Mount {
  readonly target: string;
  readonly fstype: string;
}

const isOfContainer =
  ({ overlay }: Place) =>
  ({ target, fstype }: Mount): boolean =>
    fstype === 'overlay' && target.startsWith(`${join(overlay, 'mnt')}/`);

/** A mount that no run of ours will undo is somebody else's: behind it lies what must not be touched. */
function refuseMounts(sys: Kernel, place: Place, expected: (mount: Mount) => boolean): void {
  const first = mountsBelow(sys, place).find((mount) => !expected(mount));
  if (first === undefined) return;
  throw new TsDockError(
    'bad-config',
    `cannot remove ${place.root}: ${first.target} is a mount (${first.fstype})`,
    {
      means: 'No run of ts-dock has to undo it, and what lies behind it may be somebody else’s.',
      remedy: `Look at it, then \`umount ${first.target}\` and try again.`,
    },
  );
}

function mountsBelow(sys: Kernel, place: Place): Mount[] {
  const unescape = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  return sys
    .readFile('/proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const target = unescape(before.split(' ')[4] ?? '');
      return target.startsWith(`${place.root}/`) ? [{ target, fstype: after.split(' ')[0] ?? '' }] : [];
    });
}

// --- what runs ------------------------------------------------------------------------------------------------------

interface Living {
  readonly run: string;
  /** Its container's name and id, or what command it is. */
  readonly text: string;
}

/** Runs whose supervisor lives: it holds the lock. */
function livingRuns(sys: Kernel, place: Place): Living[] {
  const containers = new Map(
    sys.exists(place.containers)
      ? listContainers(sys, place).map(({ container }) => [container.ID, container])
      : [],
  );
  return openRuns(sys, place.journal).flatMap((run) => {
    if (!isHeld(sys, join(place.journal, 'open', run))) return [];
    const { container = '', begin } = readStory(sys, place.journal, run);
    const name = containers.get(container)?.Name.slice(1);
    const text =
      name === undefined ? `ts-dock ${begin?.command ?? run}` : `${name} (${container.slice(0, 12)})`;
    return [{ run, text }];
  });
}

function stillRunning(place: Place, living: readonly Living[]): TsDockError {
  const names = living.map(({ text }) => text).join(', ');
  return new TsDockError('still-running', `cannot remove ${place.root}: still running: ${names}`, {
    means: 'Nothing was removed.',
    remedy: 'End them first, or give --force, which kills them.',
  });
}

function refuseLiving(sys: Kernel, place: Place): void {
  const living = livingRuns(sys, place);
  if (living.length > 0) throw stillRunning(place, living);
}

const SIGKILL = 9;
/** A ts-dock and its monitor are two; whoever still comes after so many is made faster than it can be ended. */
const MOST_SUPERVISORS = 8;

/** Its container dies with them, or by its cgroup when it is recovered. */
async function endSupervisors(sys: Kernel, place: Place, { run, text }: Living): Promise<void> {
  const lock = join(place.journal, 'open', run);
  for (let n = 0; n < MOST_SUPERVISORS && isHeld(sys, lock); n += 1) {
    const pid = sys.lockHolder(lock);
    // Gone between the two looks, or a holder that this namespace has no number for: the next look, or the last, tells.
    if (pid > 0) await endHolder(sys, lock, pid);
  }
  if (!isHeld(sys, lock)) return;
  throw new TsDockError(
    'still-running',
    `cannot end ${text}: what supervises it cannot be reached from here`,
    {
      means: 'It runs in another pid namespace. Nothing was removed.',
      remedy: 'End it from there.',
    },
  );
}

/** Looked at again when the pidfd is held: pids are reused. */
async function endHolder(sys: Kernel, lock: string, pid: number): Promise<void> {
  try {
    const pidfd = sys.pidfdOpen(pid);
    try {
      if (!isHeld(sys, lock) || sys.lockHolder(lock) !== pid) return;
      sys.pidfdSend(pidfd, SIGKILL);
      await sys.readable(pidfd);
    } finally {
      sys.close(pidfd);
    }
  } catch (error) {
    if (!refusedWith(error, 'ESRCH', 'ENOENT')) throw error;
  }
}

/** Somebody holds the lock of this run. The file is gone when the run came to its end meanwhile. */
function isHeld(sys: Kernel, lock: string): boolean {
  if (!sys.exists(lock)) return false;
  const taken = sys.lock(lock, false);
  if (taken !== undefined) sys.close(taken);
  return taken === undefined;
}

// --- the folder -----------------------------------------------------------------------------------------------------

function tellContent({ sys, place, say }: UninstallSettings): void {
  const named = (what: string, names: readonly string[]): void => {
    if (names.length > 0)
      say(`remove   ${names.length} ${what}${names.length === 1 ? '' : 's'}: ${names.join(', ')}`);
  };
  const list = (folder: string): string[] => (sys.exists(folder) ? sys.readdirPath(folder) : []);
  const containers = sys.exists(place.containers) ? listContainers(sys, place) : [];
  named(
    'container',
    containers.map(({ container }) => container.Name.slice(1)),
  );
  named('image', sys.exists(place.graph) ? imagesOf(sys, place) : []);
  named(
    'volume',
    list(place.volumes).map((id) => id.slice(0, 12)),
  );
}

/** By their names; the layers between go along unmentioned. */
function imagesOf(sys: Kernel, place: Place): string[] {
  try {
    return listImages(sys, place).map(({ repository, tag, id }) =>
      repository === NONE || tag === NONE ? id.slice(0, 12) : `${repository}:${tag}`,
    );
  } catch (error) {
    // A damaged file must not keep anybody from removing it.
    if (error instanceof TsDockError) return imageIds(sys, place).map((id) => id.slice(0, 12));
    throw error;
  }
}

/** By descriptor, and never into a mount. The format file is the last, so that a killed removal can be taken up again. */
function removeRoot({ sys, place, say }: UninstallSettings): boolean {
  const above = sys.openat2(AT_FDCWD, dirname(place.root), O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0);
  try {
    const top = sys.openat2(above, basename(place.root), O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0);
    try {
      const names = sys.readdir(top).filter((name) => name !== FORMAT_FILE);
      for (const name of [...names, FORMAT_FILE]) sys.removeTree(top, name);
    } finally {
      sys.close(top);
    }
    sys.unlinkat(above, basename(place.root), AT.REMOVEDIR);
    say(`remove   ${place.root}`);
    return true;
  } catch (error) {
    if (!refusedWith(error, 'EBUSY')) throw error;
    // The folder is where a disk is mounted: that was there before ts-dock.
    say(`emptied  ${place.root}, which stays: it is a mount point`);
    return true;
  } finally {
    sys.close(above);
  }
}
