/**
 * gzip, zstd and plain data, told apart by their first bytes, in this process: a program that the image brings along must
 * never be the one that unpacks it (CVE-2014-9357, CVE-2026-41567). Everything streams; no more is unpacked than is taken.
 * A source must not use a buffer again that it gave away: packed bytes are worked on while the next are fetched.
 */
import { createRequire } from 'node:module';
import type { Hash } from 'node:crypto';
import type { Transform } from 'node:stream';
import type { Budgets } from './budgets.ts';
import { badArchive, overBudget } from './refusal.ts';
import { zstdFrames } from './zstd.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

type Source = AsyncIterable<Uint8Array>;

/** As many bytes as {@link compressionOf} wants to see, where there are so many. */
export const MAGIC_LENGTH = 6;

const startsWith = (start: Uint8Array, ...magic: readonly number[]): boolean =>
  magic.every((byte, n) => start[n] === byte);

/** @throws TsDockError `bad-archive` for xz and bzip2, which are named, with what to do. */
export function compressionOf(start: Uint8Array, what = 'the archive'): Compression {
  if (startsWith(start, 0x1f, 0x8b)) return 'gzip';
  if (startsWith(start, 0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable frame, as pzstd and eStargz' zstd begin with.
  if (((start[0] ?? 0) & 0xf0) === 0x50 && startsWith(start.subarray(1), 0x2a, 0x4d, 0x18)) return 'zstd';
  if (startsWith(start, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) throw unknownPacking(what, 'xz', 'xz -d');
  if (startsWith(start, 0x42, 0x5a, 0x68)) throw unknownPacking(what, 'bzip2', 'bzip2 -d');
  return 'none';
}

function unknownPacking(what: string, name: string, program: string): Error {
  return badArchive(what, `it is packed with ${name}`, undefined, {
    means: 'ts-dock unpacks gzip and zstd, in its own process.',
    remedy: `Unpack it first with \`${program}\`, or pack it with gzip.`,
  });
}

/**
 * The plain bytes. Ends with `bad-archive` where the data is damaged or cut, and where it would be more than
 * `budgets.ratio` times what it comes from. @param what - names the source in errors.
 */
export async function* decompressed(
  source: Source,
  budgets: Budgets,
  what = 'the archive',
): AsyncGenerator<Uint8Array> {
  const { start, all } = await peeked(source);
  const compression = compressionOf(start, what);
  if (compression === 'none') {
    yield* all;
    return;
  }
  const meter: Meter = { taken: 0 };
  const plain = compression === 'gzip' ? gunzipped(all, meter, what) : zstdFrames(all, meter, what);
  let unpacked = 0;
  for await (const piece of plain) {
    unpacked += piece.length;
    if (unpacked > FREE && unpacked > meter.taken * budgets.ratio)
      throw overBudget(
        what,
        `${meter.taken} bytes of its ${compression} data unpack to more than ${budgets.ratio} times as many`,
      );
    yield piece;
  }
}

/** Small things may be as empty as they like. */
const FREE = 16 * 1024 * 1024;

/** Packed bytes that the plain ones came from. */
export interface Meter {
  taken: number;
}

/** The first bytes, and all of them again. */
async function peeked(source: Source): Promise<{ readonly start: Uint8Array; readonly all: Source }> {
  const iterator = source[Symbol.asyncIterator]();
  const taken: Uint8Array[] = [];
  let length = 0;
  while (length < MAGIC_LENGTH) {
    const next = await iterator.next();
    if (next.done === true) break;
    taken.push(next.value);
    length += next.value.length;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* taken;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      // Whoever stops early lets go of the file or the connection behind it.
      await iterator.return?.();
    }
  }
  return { start: Buffer.concat(taken).subarray(0, MAGIC_LENGTH), all: all() };
}

/** Loaded when it is first needed: most runs unpack nothing. */
const zlib = (): typeof import('node:zlib') =>
  createRequire(import.meta.filename)('node:zlib') as typeof import('node:zlib');

const PIECE = 64 * 1024;

/** Members follow each other; zeroes may follow the last (tapes), anything else is an error: Node ignores what stands there. */
export async function* gunzipped(source: Source, meter: Meter, what: string): AsyncGenerator<Uint8Array> {
  const gunzip = zlib().createGunzip({ chunkSize: PIECE });
  const iterator = source[Symbol.asyncIterator]();
  /** Handed over, and not wholly taken yet. `end`: where it ends in the source. */
  let waiting: { readonly piece: Uint8Array; readonly end: number }[] = [];
  let fed = 0;
  async function* feed(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      fed += next.value.length;
      waiting = waiting.filter(({ end }) => end > gunzip.bytesWritten);
      waiting.push({ piece: next.value, end: fed });
      yield next.value;
    }
  }
  const onlyZeroes = (bytes: Uint8Array): void => {
    if (bytes.some((byte) => byte !== 0)) throw badArchive(what, 'something follows its gzip data');
  };
  const feeder = feed();
  try {
    for await (const piece of through(feeder, gunzip, (error) => gzipError(what, error))) {
      meter.taken = gunzip.bytesWritten;
      yield piece;
    }
    // It may still be fetching a piece.
    await feeder.return(undefined);
    for (const { piece, end } of waiting)
      onlyZeroes(piece.subarray(Math.max(0, piece.length - (end - gunzip.bytesWritten))));
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      onlyZeroes(next.value);
  } finally {
    await iterator.return?.();
  }
}

function gzipError(what: string, error: NodeJS.ErrnoException): Error {
  const cut = error.code === 'Z_BUF_ERROR';
  return badArchive(what, `its gzip data is ${cut ? 'cut off' : 'damaged'}`, error);
}

/**
 * Through a stream of Node's, with its back pressure. Whoever stops early destroys the stream, and with it the source.
 * @param refused - an error of the stream's own; those of the source pass as they are.
 */
async function* through(
  source: Source,
  stream: Transform,
  refused: (error: NodeJS.ErrnoException) => Error,
): AsyncGenerator<Uint8Array> {
  const { pipeline } = createRequire(import.meta.filename)('node:stream') as typeof import('node:stream');
  pipeline(source, stream, () => {
    // The iteration below throws the same error.
  });
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw code.startsWith('Z_') ? refused(error as NodeJS.ErrnoException) : error;
  } finally {
    stream.destroy();
  }
}

/** Packs; the same bytes give the same bytes. */
export async function* gzipped(source: Source): AsyncGenerator<Uint8Array> {
  // zlib writes no time, and with a fixed level nothing else that changes.
  yield* through(source, zlib().createGzip({ level: 6, chunkSize: PIECE }), (error) => error);
}

/** The same bytes, which `hash` has seen as well. */
export async function* hashed(source: Source, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}
