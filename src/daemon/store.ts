/** The root folder: made once, known by its format, closed to everybody but root. */
import { dirname, join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

/** Raised when an older ts-dock would misread what this one writes. */
export const FORMAT = 1;

/** Ids of images, containers and volumes. Checked before one becomes part of a path: `../..` was one (CVE-2014-9358). */
export const isId = (text: unknown): text is string =>
  typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);

export const shortId = (id: string): string => id.slice(0, 12);

/** Says that a folder is a root of ts-dock, and of which layout. */
export const FORMAT_FILE = 'format';
const formatFile = (place: Place): string => join(place.root, FORMAT_FILE);
const scratch = (place: Place): string => join(place.root, 'tmp');

function folders(place: Place): string[] {
  const { containers, graph, overlay, volumes, execdriver, journal } = place;
  const inside = [join(overlay, 'l'), join(overlay, 'mnt')];
  return [
    containers,
    graph,
    overlay,
    ...inside,
    volumes,
    dirname(execdriver),
    execdriver,
    journal,
    scratch(place),
  ];
}

/** Makes the root if it is not there, and refuses one that is somebody else's or newer than this ts-dock. */
export function prepareRoot(sys: Kernel, place: Place): void {
  const written = sys.readIfThere(formatFile(place));
  if (written === undefined) makeRoot(sys, place);
  else checkFormat(place, written);
}

function makeRoot(sys: Kernel, place: Place): void {
  makeParents(sys, dirname(place.root));
  if (!sys.ensureDir(place.root, 0o700)) refuseForeign(sys, place);
  // The layers of images hold setuid programs: nobody but root may even pass through (CVE-2021-41091).
  sys.chmod(place.root, 0o700);
  for (const folder of folders(place)) sys.ensureDir(folder, 0o700);
  // Last: killed before this line, the next command makes what is missing.
  sys.replaceFileLoosely(formatFile(place), `${FORMAT}\n`);
}

function makeParents(sys: Kernel, folder: string): void {
  if (sys.exists(folder)) return;
  makeParents(sys, dirname(folder));
  if (sys.ensureDir(folder, 0o755)) sys.chmod(folder, 0o755);
}

/** What may lie in a root that another process is making at this moment, or was killed in making. */
const OURS = [
  ...['containers', 'graph', 'overlay', 'volumes', 'execdriver', 'journal', 'tmp', 'work'],
  ...['downloads', 'network', 'init'],
  ...['lock', 'linkgraph.db', 'repositories-overlay', 'format', 'format.tmp'],
  ...['events.jsonl', 'events.jsonl.1'],
];

/** `--root /home` would otherwise lock everybody out of /home. */
function refuseForeign(sys: Kernel, place: Place): void {
  const foreign = sys.readdirPath(place.root).find((name) => !OURS.includes(name));
  if (foreign === undefined) return;
  throw new TsDockError(
    'bad-config',
    `cannot use ${place.root} as the root: there is ${JSON.stringify(foreign)} in it`,
    {
      means: 'The folder is not empty and was not made by ts-dock.',
      remedy: 'Give --root a folder that is empty or not there yet.',
    },
  );
}

export function checkFormat(place: Place, written: string): void {
  const format = Number(written);
  if (format === FORMAT) return;
  if (Number.isSafeInteger(format) && format > FORMAT) {
    throw new TsDockError(
      'newer-format',
      `cannot use ${place.root}: its format is ${format}, this ts-dock knows ${FORMAT}`,
      {
        means: 'A newer ts-dock has written this root.',
        remedy: 'Use that ts-dock, or another --root.',
      },
    );
  }
  const found = JSON.stringify(written.slice(0, 40));
  throw new TsDockError('bad-config', `cannot use ${place.root}: ${formatFile(place)} says ${found}`, {
    means: 'The file must hold the number of the layout.',
  });
}

/** A file of at most `max` bytes; undefined where there is none. Never waits on a fifo, never follows a last link. */
export function readCapped(sys: Kernel, path: string, max: number): string | undefined {
  let fd: number;
  try {
    fd = sys.openat2(AT_FDCWD, path, O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC, 0, 0);
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    const bytes = sys.readFd(fd, max + 1);
    if (bytes.length > max)
      throw new TsDockError('bad-image', `cannot read ${path}: it is larger than ${max} bytes`);
    return bytes.toString('utf8');
  } finally {
    sys.close(fd);
  }
}

/** A folder of its own for work in progress, on the file system that the work will be renamed into. */
export function scratchFolder(sys: Kernel, place: Place, name: string): string {
  sys.ensureDir(scratch(place), 0o700);
  const folder = join(scratch(place), name);
  sys.mkdir(folder, 0o700);
  return folder;
}

/** Removes what killed commands left half made. Needs the lock: whoever works there holds it. */
export function clearScratch(sys: Kernel, place: Place): void {
  const fd = sys.openat2(AT_FDCWD, scratch(place), O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0, 0);
  try {
    for (const name of sys.readdir(fd)) sys.removeTree(fd, name);
  } finally {
    sys.close(fd);
  }
}

/** A path beneath the root as compensations name it. */
export function beneath(place: Place, path: string): string {
  return path.slice(place.root.length + 1);
}

/** mkdir and chmod: whatever the umask, these bits are what the container will see. */
export function makeDir(sys: Kernel, path: string, mode: number): void {
  sys.mkdir(path, mode);
  sys.chmod(path, mode);
}

/** A file for the container's eyes, in the container's own folder. */
export function writePublic(sys: Kernel, path: string, content: string): void {
  sys.writeFile(path, content, 0o644);
  sys.chmod(path, 0o644);
}
