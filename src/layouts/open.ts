/**
 * Opens what images come in. An archive that is a plain file is read where it lies; one that is compressed, or comes through
 * a pipe, is spooled once to a file beneath the run's own folder, as its parts are needed in another order than they come.
 */
import { join } from 'node:path';
import type { Budgets } from '../archive/budgets.ts';
import { compressionOf, decompressed, MAGIC_LENGTH, type Compression } from '../archive/decompress.ts';
import { overBudget } from '../archive/refusal.ts';
import { TsDockError } from '../engine/failure.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { FolderMembers } from './folder-members.ts';
import { aTurn, PIECE, type Members } from './members.ts';
import { indexFile, TarIndex, TarMembers } from './tar-members.ts';

/** Where images come from, as a user says it. */
export interface Source {
  /** For errors and notes. */
  readonly file: string;
  /** Absent: `stream` is what there is. */
  readonly path?: string;
  readonly stream?: AsyncIterable<Uint8Array>;
}

export interface Opened {
  readonly members: Members;
  readonly kind: 'folder' | 'archive' | 'spooled archive';
  readonly compression: Compression;
}

export interface OpenOptions {
  readonly budgets: Budgets;
  /** A folder of the run's, which is there; its compensation removes it. */
  readonly scratch: string;
  /** Bytes that were spooled. `total`: of what they come from; 0: not known. */
  readonly progress: (done: number, total: number) => void;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export async function openSource(sys: Kernel, source: Source, options: OpenOptions): Promise<Opened> {
  const { file, path } = source;
  if (path === undefined) return spool(sys, file, source.stream ?? nothing(), 0, options);
  const found = asked(file, () => sys.stat(path));
  // A pipe by its name (`/dev/fd/63`): opened without keeping the whole process waiting for who writes.
  if (!found.isFile() && !found.isDirectory()) return spool(sys, file, sys.streamFile(path), 0, options);
  const fd = asked(file, () => sys.openat2(AT_FDCWD, path, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0, 0));
  let mine = true;
  try {
    const { mode, size } = sys.fstat(fd);
    if ((mode & S_IFMT) === S_IFDIR) {
      mine = false;
      return {
        members: new FolderMembers(sys, fd, file, options.budgets),
        kind: 'folder',
        compression: 'none',
      };
    }
    const compression = compressionOf(sys.readAt(fd, MAGIC_LENGTH, 0), file);
    if (compression !== 'none') return await spool(sys, file, read(sys, fd), size, options);
    const index = indexFile(sys, fd, size, file, options.budgets);
    mine = false;
    return { members: new TarMembers(sys, fd, file, index, options.budgets), kind: 'archive', compression };
  } finally {
    if (mine) sys.close(fd);
  }
}

function asked<T>(file: string, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    throw new TsDockError('bad-usage', `cannot open ${file}: ${cause.code}`, {
      means: cause.code === 'ENOENT' ? 'There is no such file or folder.' : cause.message,
      cause,
    });
  }
}

/** All of it, from its beginning, for who needs it only once: no archive of images, but the root of one. */
export async function* streamOf(
  sys: Kernel,
  { file, path, stream }: Source,
  progress: (done: number, total: number) => void,
): AsyncGenerator<Uint8Array> {
  const { size, isFolder } = path === undefined ? { size: 0, isFolder: false } : sizeOf(sys, file, path);
  if (isFolder)
    throw new TsDockError('bad-usage', `cannot unpack ${file}: it is a folder`, {
      remedy: `Make an archive of it: tar -C ${file} -c . | ts-dock import -`,
    });
  const source = path === undefined ? (stream ?? nothing()) : sys.streamFile(path);
  let done = 0;
  for await (const bytes of source) {
    done += bytes.length;
    progress(done, size);
    yield bytes;
  }
}

function sizeOf(
  sys: Kernel,
  file: string,
  path: string,
): { readonly size: number; readonly isFolder: boolean } {
  const found = asked(file, () => sys.stat(path));
  return { size: found.isFile() ? found.size : 0, isFolder: found.isDirectory() };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // An input that is closed is an empty one.
}

async function* read(sys: Kernel, fd: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; ;) {
    const bytes = sys.readAt(fd, PIECE, at);
    if (bytes.length === 0) return;
    at += bytes.length;
    yield bytes;
    await aTurn();
  }
}

async function spool(
  sys: Kernel,
  file: string,
  source: AsyncIterable<Uint8Array>,
  total: number,
  { budgets, scratch, progress }: OpenOptions,
): Promise<Opened> {
  const path = join(scratch, 'archive');
  const fd = sys.openat2(AT_FDCWD, path, O.RDWR | O.CREAT | O.EXCL | O.CLOEXEC, 0o600, 0);
  let whole = false;
  try {
    const index = new TarIndex(file, budgets);
    const quiet = sys.sparing(1);
    const seen: { compression: Compression; bytes: number } = { compression: 'none', bytes: 0 };
    let at = 0;
    for await (const bytes of decompressed(watched(source, file, seen), budgets, file)) {
      if (at + bytes.length > budgets.bytes)
        throw overBudget(file, `it unpacks to more than ${budgets.bytes} bytes (--budget bytes=BYTES)`);
      index.push(bytes);
      quiet.pwrite(fd, bytes, at);
      at += bytes.length;
      progress(total === 0 ? at : seen.bytes, total);
    }
    index.end();
    whole = true;
    const members = new TarMembers(sys, fd, file, index, budgets);
    return { members, kind: 'spooled archive', compression: seen.compression };
  } finally {
    if (!whole) sys.close(fd);
  }
}

/** Counts what comes, and looks at how it begins. */
async function* watched(
  source: AsyncIterable<Uint8Array>,
  file: string,
  seen: { compression: Compression; bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    if (seen.bytes === 0) seen.compression = compressionOf(bytes, file);
    seen.bytes += bytes.length;
    yield bytes;
  }
}
