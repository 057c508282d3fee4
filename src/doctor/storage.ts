/** Where the root lies, and whether layers can be mounted there: tried, with the options of a run. */
import { dirname, join } from 'node:path';
import { containerIds } from '../daemon/containers.ts';
import { imageIds } from '../daemon/images.ts';
import { underLock } from '../daemon/lock.ts';
import type { Place } from '../daemon/place.ts';
import { FORMAT } from '../daemon/store.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import { differs, missing, ok, unknown, type Check, type Verdict } from './check.ts';

const FILESYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlay',
  0x6969: 'nfs',
  0x2fc12fc1: 'zfs',
  0x01021997: '9p',
  0x65735546: 'fuse',
  0x858458f6: 'ramfs',
};

const ELSEWHERE = 'Give --root a folder on another file system (a volume, or a tmpfs).';

export const storage: readonly Check[] = [
  {
    id: 'storage.root',
    title: 'Root folder',
    required: true,
    look: ({ sys, place }) => rootFolder(sys, place),
  },
  {
    id: 'storage.overlay',
    title: 'Overlay',
    required: true,
    needsRoot: true,
    look({ sys, place }) {
      const refusal = inScratch(sys, place, (folder) => tryOverlay(sys, folder, 1));
      if (refusal === undefined) return ok('mounted and written to, as a run would', { brief: 'overlay' });
      return missing(refusal, {
        means: 'A container’s root is an overlay of its image’s layers and its own.',
        remedy: `${ELSEWHERE} Or load the module: \`modprobe overlay\`.`,
        brief: `no overlay (${refusal})`,
      });
    },
  },
  {
    id: 'storage.overlay-twice',
    title: 'Overlay on overlay',
    needsRoot: true,
    look({ sys, place }) {
      const refusal = inScratch(sys, place, (folder) => tryOverlay(sys, folder, 2));
      if (refusal === undefined) return ok('mounted and written to', { brief: 'overlay on overlay' });
      return differs(refusal, {
        means: 'ts-dock within a container of ts-dock cannot keep its root in that container’s own files.',
        remedy: 'There, give --root a volume (-v).',
        brief: `not on overlay (${refusal})`,
      });
    },
  },
  { id: 'storage.space', title: 'Free space', required: true, look: ({ sys, place }) => space(sys, place) },
  { id: 'storage.null', title: '/dev/null', required: true, look: ({ sys }) => nullDevice(sys) },
];

/** The folder itself, or the nearest one above it that is there. */
function nearest(sys: Kernel, path: string): string {
  return path === '/' || sys.exists(path) ? path : nearest(sys, dirname(path));
}

function typeOf(sys: Kernel, path: string): string {
  const { type } = sys.statfs(path);
  return FILESYSTEMS[type] ?? `0x${type.toString(16)}`;
}

function rootFolder(sys: Kernel, place: Place): Verdict {
  const type = typeOf(sys, nearest(sys, place.root));
  if (!sys.exists(place.root)) return ok(`${place.root} is not there yet (${type})`, { brief: type });
  let format: string | undefined;
  try {
    format = sys.readIfThere(join(place.root, 'format'))?.trim();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return unknown(`${place.root} cannot be read: ${error.code}`, { remedy: 'Try it with sudo.' });
  }
  const means = 'ts-dock uses only folders that it made itself.';
  if (format === undefined && sys.readdirPath(place.root).length > 0)
    return missing(`${place.root} is not ts-dock’s`, {
      means,
      remedy: 'Give --root an empty folder.',
      brief: 'foreign root',
    });
  if (format !== undefined && format !== FORMAT.toString())
    return missing(`${place.root} has format ${JSON.stringify(format.slice(0, 20))}, not ${FORMAT}`, {
      means: 'Another version of ts-dock has written it.',
      remedy: 'Use that version, or another --root.',
      brief: 'other format',
    });
  const counts =
    format === undefined
      ? 'empty'
      : `${count(containerIds(sys, place).length, 'container')}, ${count(imageIds(sys, place).length, 'image')}`;
  return ok(`${place.root}: ${counts} (${type})`, { brief: type });
}

const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;

// --- trying overlay -------------------------------------------------------------------------------------------------

const SCRATCH = '.ts-dock-doctor-';
/** A scratch folder of this age belongs to a doctor that was killed. */
const STALE_MS = 10 * 60_000;

/** A folder on the file system of the root, removed whatever happens. A root that is not there is not made for it. */
function inScratch<T>(sys: Kernel, place: Place, act: (folder: string) => T): T {
  if (sys.exists(join(place.root, 'tmp'))) {
    // Who makes an image clears this folder, under the same lock.
    return underLock(sys, place, () => within(sys, join(place.root, 'tmp'), act));
  }
  return within(sys, nearest(sys, place.root), act);
}

function within<T>(sys: Kernel, parent: string, act: (folder: string) => T): T {
  const top = sys.openat2(AT_FDCWD, parent, O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0);
  const name = `${SCRATCH}${randomHex(6)}`;
  try {
    for (const old of sys.readdir(top).filter((each) => each.startsWith(SCRATCH)))
      if (Date.now() - sys.lstat(join(parent, old)).mtimeMs > STALE_MS) sys.removeTree(top, old);
    sys.mkdirat(top, name, 0o700);
    try {
      return act(join(parent, name));
    } finally {
      sys.removeTree(top, name);
    }
  } finally {
    sys.close(top);
  }
}

const PARTS = ['lower', 'upper', 'work', 'merged'] as const;

/** Level 2: the layers of the second mount lie in the first. Why not, where it cannot. */
function tryOverlay(sys: Kernel, folder: string, levels: 1 | 2): string | undefined {
  for (const part of PARTS) sys.mkdir(join(folder, part), 0o700);
  for (const part of PARTS) sys.mkdir(join(folder, 'lower', part), 0o700);
  const first = join(folder, 'merged');
  const places = levels === 1 ? [folder] : [folder, first];
  try {
    sys.tryMounts(places.map(overlayAt), [join(places.at(-1) ?? folder, 'merged', 'file')]);
    return undefined;
  } catch (error) {
    if (error instanceof KernelError) return error.code;
    throw error;
  }
}

function overlayAt(folder: string): readonly [string, string, string, string] {
  // A comma would end the option, a colon the layer.
  const at = (part: string): string => join(folder, part).replace(/[\\:,]/g, '\\$&');
  const layers = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`;
  return [
    'overlay',
    join(folder, 'merged'),
    'overlay',
    `${layers},redirect_dir=nofollow,metacopy=off,volatile`,
  ];
}

// --- the rest -------------------------------------------------------------------------------------------------------

const MiB = 1024 ** 2;
/** The base image, a container, a journal. */
const LEAST = 32 * MiB;
const COMFORTABLE = 512 * MiB;

function space(sys: Kernel, place: Place): Verdict {
  const { bavail, bsize, files, ffree } = sys.statfs(nearest(sys, place.root));
  const free = bavail * bsize;
  const seen = free > 10_000 * MiB ? `${Math.floor(free / 1024 / MiB)} GiB` : `${Math.floor(free / MiB)} MiB`;
  const remedy = 'Make room, or use another --root.';
  if (free < LEAST || (files > 0 && ffree < 1000))
    return missing(`${seen}, ${ffree} inodes`, {
      means: 'The base image would not fit.',
      remedy,
      brief: `${seen} free`,
    });
  if (free < COMFORTABLE)
    return differs(seen, { means: 'What containers write goes there.', remedy, brief: `${seen} free` });
  return ok(seen);
}

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;

/** A plain file in its place is a classic of careless root: everything sent there fills the disk, and reads come back. */
function nullDevice(sys: Kernel): Verdict {
  const { mode, rdev } = sys.lstat('/dev/null');
  const device = (mode & S_IFMT) === S_IFCHR && rdev === 0x103;
  if (!device)
    return missing('is not the null device', {
      means: 'Containers without -i read from it, and init.reopen-null looks for the real one.',
      remedy: '`rm /dev/null && mknod -m 666 /dev/null c 1 3`',
      brief: '/dev/null broken',
    });
  const bits = (mode & 0o7777).toString(8);
  if (bits === '666') return ok('character device 1:3, mode 666');
  return differs(`mode ${bits} instead of 666`, {
    means: 'Others than root cannot use it.',
    remedy: '`chmod 666 /dev/null`',
  });
}
