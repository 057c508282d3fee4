/**
 * The copying itself: one side is packed, and what comes out is unpacked on the other, in this process. No program of the
 * container is run, and none that a path could lead to (CVE-2014-9357, CVE-2026-41567).
 */
import { DEFAULT_BUDGETS } from '../archive/budgets.ts';
import { decompressed } from '../archive/decompress.ts';
import type { TarEntry } from '../archive/entry.ts';
import { pack } from '../archive/pack.ts';
import { unpack } from '../archive/unpack.ts';
import { TsDockError } from '../engine/failure.ts';
import type { CopyRequest, CopyStream } from '../flows/values.ts';
import { KernelError } from '../kernel/calls.ts';
import { errnoMeaning } from '../kernel/errno.ts';
import { O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { breathing, untilInterrupted } from '../layouts/interrupted.ts';
import {
  containerSide,
  hostSide,
  misfit,
  openFolder,
  openSource,
  openTarget,
  type Side,
  type Source,
  type Target,
} from './copy-ends.ts';
import { leafTar } from './copy-leaf.ts';
import { typeOf } from './overlay-marks.ts';

/**
 * Bytes of files that went over; of the archive where it goes to a stream.
 *
 * @param root - descriptor of the container's root
 * @param over - resolves when somebody asks for the end
 */
export async function copy(
  sys: Kernel,
  root: number,
  container: string,
  request: CopyRequest,
  stream: CopyStream,
  over: Promise<void>,
): Promise<number> {
  const inside = containerSide(sys, root, container);
  const here = hostSide(sys);
  const [from, to] = request.direction === 'out' ? [inside, here] : [here, inside];
  const [source, target] =
    request.direction === 'out' ? [request.inside, request.here] : [request.here, request.inside];
  try {
    if (source === null) return await unpackStream(to, target ?? '', request, stream, over);
    const found = openSource(from, source, request.followLinks);
    try {
      if (target !== null) return await across(found, to, target, request, over);
      return await send(until(tarOf(sys, found, found.name), over), stream);
    } finally {
      sys.close(found.fd);
    }
  } catch (error) {
    throw worded(error, target === null ? 'standard output' : to.named(target));
  }
}

async function across(
  found: Source,
  side: Side,
  path: string,
  request: CopyRequest,
  over: Promise<void>,
): Promise<number> {
  const { sys } = side;
  const target = openTarget(side, path, found);
  try {
    const tar = until(tarOf(sys, found, target.name ?? found.name), over);
    return await unpackAt(side, target, path, tar, request);
  } finally {
    sys.close(target.fd);
  }
}

async function unpackStream(
  side: Side,
  path: string,
  request: CopyRequest,
  stream: CopyStream,
  over: Promise<void>,
): Promise<number> {
  const target = openFolder(side, path);
  try {
    return await unpackAt(
      side,
      target,
      path,
      until(decompressed(stream.read(), DEFAULT_BUDGETS), over),
      request,
    );
  } finally {
    side.sys.close(target.fd);
  }
}

async function unpackAt(
  side: Side,
  { fd }: Target,
  path: string,
  tar: AsyncIterable<Uint8Array>,
  request: CopyRequest,
): Promise<number> {
  const port = { ...side, sys: side.sys.sparing() };
  const rewrite = (entry: TarEntry): TarEntry => {
    checkPlace(port, fd, path, entry);
    return request.archive ? entry : owned(entry, request);
  };
  const options = {
    budgets: DEFAULT_BUDGETS,
    manner: 'plain',
    keepKinds: true,
    mounts: true,
    rewrite,
  } as const;
  return (await unpack(port.sys, fd, tar, options)).size;
}

/** @param name - of the source in the archive; empty: what lies in it has the names */
async function* tarOf(sys: Kernel, source: Source, name: string): AsyncGenerator<Uint8Array> {
  const port = sys.sparing();
  if (!source.isFolder) yield* leafTar(port, source, name);
  else
    yield* pack(port, source.fd, {
      manner: 'plain',
      mounts: true,
      ...(name === '' ? {} : { prefix: `${name}/` }),
    });
}

async function send(tar: AsyncIterable<Uint8Array>, stream: CopyStream): Promise<number> {
  let bytes = 0;
  for await (const part of tar) {
    bytes += part.length;
    await stream.write(part);
  }
  return bytes;
}

/** A long copy ends between two of its parts. */
const until = (tar: AsyncIterable<Uint8Array>, over: Promise<void>): AsyncGenerator<Uint8Array> =>
  untilInterrupted(breathing(tar), over);

/**
 * A folder does not take the place of a file, nor a file that of a folder, which would take all that lies in it along; and
 * nothing takes that of a file which is mounted there.
 */
function checkPlace({ sys, named }: Side, folder: number, path: string, { name, type }: TarEntry): void {
  const found = placeOf(sys, folder, name.replace(/\/+$/, ''));
  if (found === undefined) return;
  const where = `cannot copy to ${named(path)}`;
  const isFolder = type === 'directory';
  if (found.isFolder !== isFolder)
    throw misfit(
      isFolder
        ? `${where}: cannot overwrite non-directory ${JSON.stringify(name)} with directory`
        : `${where}: cannot overwrite directory ${JSON.stringify(name)} with non-directory`,
    );
  if (found.isMount && !isFolder)
    throw misfit(
      `${where}: something is mounted on ${JSON.stringify(name)}`,
      '/etc/hosts, /etc/hostname and /etc/resolv.conf of a container are ts-dock’s own; a volume may be a file, too.',
    );
}

const STRICT = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS;
const LOOK = O.PATH | O.NOFOLLOW | O.CLOEXEC;

/** Undefined where nothing is, or where the name is one that unpacking will refuse. */
function placeOf(
  sys: Kernel,
  folder: number,
  name: string,
): { readonly isFolder: boolean; readonly isMount: boolean } | undefined {
  const cut = name.lastIndexOf('/');
  const parent = openIfThere(sys, folder, cut < 0 ? '.' : name.slice(0, cut), STRICT);
  if (parent === undefined) return undefined;
  try {
    const base = name.slice(cut + 1);
    const inside = openIfThere(sys, parent, base, STRICT | RESOLVE.NO_XDEV);
    const fd = inside ?? openIfThere(sys, parent, base, STRICT);
    if (fd === undefined) return undefined;
    const isFolder = typeOf(sys.fstat(fd)) === 'directory';
    sys.close(fd);
    return { isFolder, isMount: inside === undefined };
  } finally {
    sys.close(parent);
  }
}

function openIfThere(sys: Kernel, folder: number, name: string, resolve: number): number | undefined {
  try {
    return sys.openat2(folder, name, LOOK, 0, resolve);
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

const LENDING = 0o6000;

/**
 * Root's inside, the caller's outside. A program that lends its owner's rights would lend the new owner's; a device that
 * everybody may open in the container would be one that everybody may open here.
 */
function owned(entry: TarEntry, { direction, uid, gid }: CopyRequest): TarEntry {
  const out = direction === 'out';
  const owner = out ? { uid, gid } : { uid: 0, gid: 0 };
  const same = entry.uid === owner.uid && entry.gid === owner.gid;
  const lends = entry.type === 'file' && (out || !same);
  const device = out && (entry.type === 'character' || entry.type === 'block');
  const mode = device ? entry.mode & 0o600 : lends ? entry.mode & ~LENDING : entry.mode;
  const xattrs = lends
    ? new Map([...entry.xattrs].filter(([name]) => name !== 'security.capability'))
    : entry.xattrs;
  return { ...entry, ...owner, mode, xattrs };
}

const MADE_UP = 'File systems like /proc and /sys decide themselves what is in them.';
const MEANS: Partial<Record<string, string>> = {
  EROFS: 'The container, this volume or this place (/proc/sys, /sys) can only be read.',
  EBUSY: 'Something is mounted there. /etc/hosts, /etc/hostname and /etc/resolv.conf are ts-dock’s own.',
  ENOENT: MADE_UP,
  EPERM: MADE_UP,
  EACCES: MADE_UP,
};
const REMEDY: Partial<Record<string, string>> = {
  ENOSPC: 'Remove what is not needed there, and copy again.',
};

/** What the kernel refuses while files are made. The call itself means nothing to whoever wanted a copy. */
function worded(error: unknown, where: string): unknown {
  if (!(error instanceof KernelError)) return error;
  const { code } = error;
  return new TsDockError('copy', `cannot copy to ${where}: ${errnoMeaning(code) || code}`, {
    means: MEANS[code] ?? error.message,
    remedy: REMEDY[code] ?? '',
  });
}
