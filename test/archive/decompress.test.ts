/** Packed data by the real programs, in all lengths of pieces; cut, damaged, with more behind it, and too much of it. */
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { compressionOf, decompressed, gzipped } from '../../src/archive/decompress.ts';

async function* pieces(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const got: Uint8Array[] = [];
  for await (const piece of source) got.push(Buffer.from(piece));
  return Buffer.concat(got);
}

const plainOf = (bytes: Uint8Array, step = 65_536): Promise<Buffer> =>
  all(decompressed(pieces(bytes, step), DEFAULT_BUDGETS, 'test.tar'));

const zstd = (input: Uint8Array, ...args: string[]): Buffer =>
  execFileSync('zstd', ['-q', '-c', ...args], { input, maxBuffer: 1 << 30 });

const text = Buffer.from(Array.from({ length: 60_000 }, (_, n) => `line ${(n * 7919) % 10_007}\n`).join(''));

describe('gzip and zstd', () => {
  const packed = {
    plain: text,
    'plain, shorter than any magic': Buffer.from('ab'),
    nothing: Buffer.alloc(0),
    gzip: gzipSync(text),
    zstd: zstd(text),
    'zstd -19': zstd(text, '-19'),
    'zstd with checksum': zstd(text, '--check'),
    'zstd without': zstd(text, '--no-check'),
    'zstd, tiny': zstd(Buffer.from('abc')),
    'zstd, empty': zstd(Buffer.alloc(0)),
  };
  test.each(Object.entries(packed))('%s', async (title, bytes) => {
    const wanted = /shorter/.test(title)
      ? Buffer.from('ab')
      : /tiny/.test(title)
        ? Buffer.from('abc')
        : /nothing|empty/.test(title)
          ? Buffer.alloc(0)
          : text;
    for (const step of [1_000_000, 1021, 1]) expect((await plainOf(bytes, step)).equals(wanted)).toBe(true);
  });
});

test('what is gzipped here is the same every time, and gzip reads it', async () => {
  const one = await all(gzipped(pieces(text, 1000)));
  expect((await all(gzipped(pieces(text, 1000)))).equals(one)).toBe(true);
  expect(execFileSync('gzip', ['-dc'], { input: one, maxBuffer: 1 << 30 }).equals(text)).toBe(true);
});

test('xz and bzip2 are named with a remedy', () => {
  expect(() => compressionOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))).toThrow('xz');
  expect(() => compressionOf(Buffer.from('BZh9'))).toThrow('bzip2');
});
