/**
 * zstd (RFC 8878), frame by frame, in TypeScript: Node has it from 22.15 on only, and there is no library that streams with
 * a bound on memory and time whatever the data says.
 *
 * A frame's own checksum is not looked at: layers and blobs are verified by their digests.
 */
import type { Meter } from './decompress.ts';
import { badArchive } from './refusal.ts';
import { FrameDecoder, MOST_BLOCK } from './zstd-block.ts';
import { Corrupt } from './zstd-entropy.ts';

/** What `zstd -d` allows without --memory. */
const MOST_WINDOW = 128 * 1024 * 1024;

type Source = AsyncIterable<Uint8Array>;

/** @throws TsDockError `bad-archive`. */
export async function* zstdFrames(source: Source, meter: Meter, what: string): AsyncGenerator<Uint8Array> {
  const input = new Input(source, meter, what);
  try {
    while (!(await input.atEnd())) {
      const number = (await input.take(4)).readUInt32LE(0);
      if ((number & 0xfffffff0) >>> 0 === 0x184d2a50) await skip(input);
      else if (number === 0xfd2fb528) yield* frame(input, what);
      else throw badArchive(what, 'something that is no zstd frame follows the last one');
    }
  } finally {
    await input.close();
  }
}

async function skip(input: Input): Promise<void> {
  let left = (await input.take(4)).readUInt32LE(0);
  while (left > 0) {
    const piece = await input.take(Math.min(left, MOST_BLOCK));
    left -= piece.length;
  }
}

async function* frame(input: Input, what: string): AsyncGenerator<Uint8Array> {
  const start = await input.take(1);
  const flags = start[0] ?? 0;
  const single = (flags & 0x20) !== 0;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  const rest = await input.take((single ? 0 : 1) + dictionaryBytes + sizeBytes);
  if ((flags & 0x08) !== 0) throw badArchive(what, 'a zstd frame uses what is reserved');
  const dictionary = rest.subarray(single ? 0 : 1, (single ? 0 : 1) + dictionaryBytes);
  if (dictionary.some((byte) => byte !== 0)) throw badArchive(what, 'a zstd frame needs a dictionary');
  const size = contentSize(rest.subarray(rest.length - sizeBytes));
  const window = single ? (size ?? 0) : windowSize(rest[0] ?? 0);
  if (window > MOST_WINDOW)
    throw badArchive(what, `a zstd frame wants a window of ${window} bytes (at most ${MOST_WINDOW})`);

  const decoder = new FrameDecoder(window);
  let unpacked = 0;
  for (let last = false; !last;) {
    const word = (await input.take(3)).readUIntLE(0, 3);
    last = (word & 1) === 1;
    const type = (word >> 1) & 3;
    const length = word >> 3;
    if (type === 3 || length > MOST_BLOCK) throw badArchive(what, 'its zstd data is damaged');
    const body = await input.take(type === 1 ? 1 : length);
    const bytes = decoded(what, () => decoder.decode(type, body, length));
    unpacked += bytes.length;
    if (size !== undefined && unpacked > size) throw badArchive(what, 'a zstd frame holds more than it says');
    // A copy: the decoder goes on in its buffer, and whoever takes this may keep it.
    if (bytes.length > 0) yield Buffer.from(bytes);
  }
  if (size !== undefined && unpacked !== size) throw badArchive(what, 'a zstd frame holds less than it says');
  if ((flags & 4) !== 0) await input.take(4);
}

function contentSize(bytes: Buffer): number | undefined {
  switch (bytes.length) {
    case 0:
      return undefined;
    case 1:
      return bytes[0];
    case 2:
      return bytes.readUInt16LE(0) + 256;
    case 4:
      return bytes.readUInt32LE(0);
    default:
      return Number(bytes.readBigUInt64LE(0));
  }
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}

function decoded(what: string, act: () => Uint8Array): Uint8Array {
  try {
    return act();
  } catch (cause) {
    if (cause instanceof Corrupt) throw badArchive(what, `its zstd data is damaged: ${cause.message}`, cause);
    throw cause;
  }
}

/** Bytes of a source, taken in the lengths that the format wants. */
class Input {
  private readonly iterator: AsyncIterator<Uint8Array>;
  private readonly meter: Meter;
  private readonly what: string;
  private held: Buffer = Buffer.alloc(0);

  constructor(source: Source, meter: Meter, what: string) {
    this.iterator = source[Symbol.asyncIterator]();
    this.meter = meter;
    this.what = what;
  }

  async atEnd(): Promise<boolean> {
    return !(await this.fill(1));
  }

  async take(length: number): Promise<Buffer> {
    if (!(await this.fill(length))) throw badArchive(this.what, 'its zstd data is cut off');
    const taken = this.held.subarray(0, length);
    this.held = this.held.subarray(length);
    this.meter.taken += length;
    return taken;
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  private async fill(length: number): Promise<boolean> {
    if (this.held.length >= length) return true;
    const pieces = [this.held];
    let have = this.held.length;
    while (have < length) {
      const next = await this.iterator.next();
      if (next.done === true) break;
      pieces.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length));
      have += next.value.length;
    }
    this.held = Buffer.concat(pieces);
    return have >= length;
  }
}
