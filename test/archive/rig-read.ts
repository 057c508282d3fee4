/** Reads an archive whole, for tests: members with their contents, and what is no content. */
import { DEFAULT_BUDGETS, type Budgets } from '../../src/archive/budgets.ts';
import type { TarEntry } from '../../src/archive/entry.ts';
import { TarReader } from '../../src/archive/reader.ts';

export interface Read {
  readonly entry: TarEntry;
  readonly content: Buffer;
}

export interface Archive {
  readonly members: readonly Read[];
  /** Raw bytes and contents in their order: must be the archive. */
  readonly again: Buffer;
}

/** @param step - bytes that are pushed at once; the default, all of them. */
export function readArchive(bytes: Uint8Array, step = bytes.length, budgets: Partial<Budgets> = {}): Archive {
  const members: { entry: TarEntry; content: Buffer }[] = [];
  const again: Buffer[] = [];
  let content: Buffer[] = [];
  const reader = new TarReader(
    {
      raw: (piece) => again.push(Buffer.from(piece)),
      member: (entry) => {
        members.push({ entry, content: Buffer.alloc(0) });
        content = [];
      },
      content: (piece) => {
        content.push(Buffer.from(piece));
        again.push(Buffer.from(piece));
      },
      memberEnd: () => {
        members.at(-1)!.content = Buffer.concat(content);
      },
    },
    { ...DEFAULT_BUDGETS, ...budgets },
    'test.tar',
  );
  for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
  reader.end();
  return { members, again: Buffer.concat(again) };
}

/** A sparse file as it will be on disk. */
export function inflated({ entry, content }: Read): Buffer {
  if (entry.extents === undefined) return content;
  const file = Buffer.alloc(entry.size);
  let at = 0;
  for (const { offset, length } of entry.extents) {
    content.copy(file, offset, at, at + length);
    at += length;
  }
  return file;
}

/** The bytes as they would come from a file or a line. */
export async function* pieces(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

export async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const got: Uint8Array[] = [];
  for await (const piece of source) got.push(Buffer.from(piece));
  return Buffer.concat(got);
}

/** A generator of numbers that a seed fixes (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The same bytes with one to four changes: bits, bytes, pieces cut out, doubled or moved. */
export function mutated(bytes: Buffer, random: (below: number) => number): Buffer {
  let now = Buffer.from(bytes);
  for (let n = 1 + random(4); n > 0 && now.length > 0; n--) {
    const at = random(now.length);
    const length = 1 + random(Math.min(600, now.length - at));
    switch (random(5)) {
      case 0:
        now[at]! ^= 1 << random(8);
        break;
      case 1:
        now[at] = [0, 0x20, 0x2f, 0x30, 0x37, 0x80, 0xff, 0x0a, 0x3d][random(9)]!;
        break;
      case 2:
        now = Buffer.concat([now.subarray(0, at), now.subarray(at + length)]);
        break;
      case 3:
        now = Buffer.concat([now.subarray(0, at + length), now.subarray(at)]);
        break;
      default:
        now = Buffer.from(now.subarray(0, at));
    }
  }
  return now;
}
