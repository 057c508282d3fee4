/**
 * The tar-split of a layer: all bytes of its archive but the files' contents, and where those lie. With the unpacked layer
 * it gives back the archive byte for byte, so that what was loaded can be saved and pushed under the same digests.
 *
 * The file is gzip of: a mark; then records, each a letter and its data (numbers little-endian).
 *   R  length (4 bytes), bytes of the archive
 *   C  length of the path (2), path, number of parts (4), for each offset and length (8 and 8)
 *   E  bytes of the archive in all (8): the file is whole
 */
import { createRequire } from 'node:module';
import { TsDockError } from '../engine/failure.ts';
import { AT_FDCWD, O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { gunzipped } from './decompress.ts';
import type { Extent } from './entry.ts';
import { quoted } from './refusal.ts';
import type { SplitSink } from './unpack.ts';

const MARK = 'ts-dock tar-split 1\n';
const BATCH = 256 * 1024;
/** A piece of a file, or of the split itself, that is in memory. */
const PIECE = 256 * 1024;

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/**
 * Written to `path` (gzip) beside the layer. Called by the parser of an archive, which cannot wait: what has come together
 * is packed and written at once, as a gzip member of its own.
 */
export class SplitWriter implements SplitSink {
  private readonly sys: Kernel;
  private readonly path: string;
  private fd: number | undefined;
  private readonly batch = Buffer.allocUnsafe(BATCH);
  private filled = 0;
  private total = 0;
  private whole = true;

  constructor(sys: Kernel, path: string) {
    this.sys = sys.sparing();
    this.path = path;
    this.fd = this.sys.openat2(
      AT_FDCWD,
      path,
      O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC,
      0o600,
      RESOLVE.NO_MAGICLINKS,
    );
    this.put(Buffer.from(MARK));
  }

  raw(bytes: Uint8Array): void {
    if (!this.whole) return;
    for (let at = 0; at < bytes.length; at += BATCH / 2) {
      const piece = bytes.subarray(at, at + BATCH / 2);
      const head = Buffer.allocUnsafe(5);
      head.write('R', 'latin1');
      head.writeUInt32LE(piece.length, 1);
      this.put(head);
      this.put(piece);
    }
    this.total += bytes.length;
  }

  content(path: string, extents: readonly Extent[]): void {
    if (!this.whole) return;
    const name = Buffer.from(path);
    const head = Buffer.allocUnsafe(3);
    head.write('C', 'latin1');
    head.writeUInt16LE(name.length, 1);
    const count = Buffer.allocUnsafe(4);
    count.writeUInt32LE(extents.length);
    this.put(head);
    this.put(name);
    this.put(count);
    for (const { offset, length } of extents) {
      const part = Buffer.allocUnsafe(16);
      part.writeBigUInt64LE(BigInt(offset), 0);
      part.writeBigUInt64LE(BigInt(length), 8);
      this.put(part);
      this.total += length;
    }
  }

  lost(): void {
    this.whole = false;
    this.filled = 0;
  }

  /** Closes it. False: there is none, as a content was lost. */
  async end(): Promise<boolean> {
    if (this.whole) {
      const last = Buffer.allocUnsafe(9);
      last.write('E', 'latin1');
      last.writeBigUInt64LE(BigInt(this.total), 1);
      this.put(last);
      this.flush();
    }
    this.close();
    if (!this.whole) this.sys.unlink(this.path);
    return this.whole;
  }

  /** Of a layer that failed; the file goes with the layer's folder. Idempotent. */
  close(): void {
    if (this.fd !== undefined) this.sys.close(this.fd);
    this.fd = undefined;
  }

  private put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + BATCH - this.filled);
      this.batch.set(piece, this.filled);
      this.filled += piece.length;
      at += piece.length;
      if (this.filled === BATCH) this.flush();
    }
  }

  private flush(): void {
    if (this.fd === undefined) throw new Error('the tar-split is closed');
    const { gzipSync } = createRequire(import.meta.filename)('node:zlib') as typeof import('node:zlib');
    const packed = gzipSync(this.batch.subarray(0, this.filled), { level: 3 });
    this.filled = 0;
    for (let at = 0; at < packed.length;) at += this.sys.writeNow(this.fd, packed.subarray(at)) ?? 0;
  }
}

/**
 * The archive again. @param folder - descriptor of the unpacked layer; stays open.
 * @throws TsDockError `bad-image` where the split or the layer is not what it was. Who needs the very bytes compares digests.
 */
export async function* rejoin(sys: Kernel, path: string, folder: number): AsyncGenerator<Uint8Array> {
  const port = sys.sparing();
  const input = new Records(gunzipped(fileBytes(port, path), { taken: 0 }, path), path);
  try {
    if ((await input.take(MARK.length)).toString('latin1') !== MARK)
      throw damaged(path, 'it is no tar-split');
    let total = 0;
    for (;;) {
      const kind = (await input.take(1)).toString('latin1');
      if (kind === 'R') {
        const bytes = await input.take((await input.take(4)).readUInt32LE(0));
        total += bytes.length;
        yield bytes;
      } else if (kind === 'C') {
        const name = (await input.take((await input.take(2)).readUInt16LE(0))).toString('utf8');
        const parts = await extentsOf(input);
        for (const piece of contentOf(port, folder, name, parts)) {
          total += piece.length;
          yield piece;
        }
      } else if (kind === 'E') {
        if (Number((await input.take(8)).readBigUInt64LE(0)) !== total)
          throw damaged(path, 'it gives another number of bytes than there were');
        return;
      } else throw damaged(path, 'it has a record of an unknown kind');
    }
  } finally {
    await input.close();
  }
}

async function extentsOf(input: Records): Promise<Extent[]> {
  const count = (await input.take(4)).readUInt32LE(0);
  const extents: Extent[] = [];
  for (let n = 0; n < count; n++) {
    const part = await input.take(16);
    extents.push({ offset: Number(part.readBigUInt64LE(0)), length: Number(part.readBigUInt64LE(8)) });
  }
  return extents;
}

/** A layer may be changed by who can write to the store, never by what it holds: no link in it leads anywhere. */
function* contentOf(
  sys: Kernel,
  folder: number,
  name: string,
  extents: readonly Extent[],
): Generator<Uint8Array> {
  if (extents.length === 0) return;
  const fd = sys.openat2(
    folder,
    name,
    O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC,
    0,
    RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS,
  );
  try {
    if ((sys.fstat(fd).mode & S_IFMT) !== S_IFREG) throw damaged(name, 'it is no regular file any more');
    for (const { offset, length } of extents)
      for (let at = 0; at < length;) {
        const bytes = sys.readAt(fd, Math.min(PIECE, length - at), offset + at);
        if (bytes.length === 0) throw damaged(name, 'it is shorter than it was');
        at += bytes.length;
        yield bytes;
      }
  } finally {
    sys.close(fd);
  }
}

async function* fileBytes(sys: Kernel, path: string): AsyncGenerator<Uint8Array> {
  const fd = sys.openat2(
    AT_FDCWD,
    path,
    O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC,
    0,
    RESOLVE.NO_MAGICLINKS,
  );
  try {
    for (let at = 0; ;) {
      const bytes = sys.readAt(fd, PIECE, at);
      if (bytes.length === 0) return;
      at += bytes.length;
      yield bytes;
    }
  } finally {
    sys.close(fd);
  }
}

function damaged(what: string, why: string): TsDockError {
  return new TsDockError('bad-image', `cannot rebuild the archive of a layer from ${quoted(what)}: ${why}`, {
    means: 'The layer in the store is not what was unpacked there.',
    remedy: 'Remove the image and load it again.',
  });
}

/** Bytes in the lengths that the format wants. */
class Records {
  private readonly source: AsyncGenerator<Uint8Array>;
  private readonly path: string;
  private held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncGenerator<Uint8Array>, path: string) {
    this.source = source;
    this.path = path;
  }

  async take(length: number): Promise<Buffer> {
    while (this.held.length < length) {
      const next = await this.source.next();
      if (next.done === true) throw damaged(this.path, 'it is cut off');
      this.held = Buffer.concat([this.held, next.value]);
    }
    const taken = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    return taken;
  }

  async close(): Promise<void> {
    await this.source.return(undefined);
  }
}
