/** Packed data by the real programs, in all lengths of pieces; cut, damaged, with more behind it, and too much of it. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { decompressed, gzipped, hashed } from '../../src/archive/decompress.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { all, mutated, pieces, seeded } from './rig-read.ts';

const plainOf = (bytes: Uint8Array, step = 65_536): Promise<Buffer> =>
  all(decompressed(pieces(bytes, step), DEFAULT_BUDGETS, 'test.tar'));

const zstd = (input: Uint8Array, ...args: string[]): Buffer =>
  execFileSync('zstd', ['-q', '-c', ...args], { input, maxBuffer: 1 << 30 });

const gzip = (input: Uint8Array): Buffer => gzipSync(input);

/** Text that repeats itself near and far, with noise: all of a packer's means are used on it. */
function data(random: (below: number) => number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const piece = Math.min(length - at, 1 + random(random(3) === 0 ? 20_000 : 60));
    const kind = random(5);
    if (kind === 0 && at > 0) bytes.copy(bytes, at, random(at), at);
    else if (kind === 1) bytes.fill(random(256), at, at + piece);
    else if (kind === 2) for (let n = 0; n < piece; n++) bytes[at + n] = random(256);
    else for (let n = 0; n < piece; n++) bytes[at + n] = 97 + Math.min(random(26), random(26), random(26));
    at += piece;
  }
  return bytes;
}

const text = data(seeded(7), 400_000);

async function refusal(bytes: Uint8Array, step = 65_536): Promise<TsDockError> {
  try {
    await plainOf(bytes, step);
  } catch (error) {
    if (error instanceof TsDockError && error.reason === 'bad-archive') return error;
    throw error;
  }
  throw new Error('it was unpacked');
}

describe('what is unpacked', () => {
  const short = Buffer.from('abc');
  const none = Buffer.alloc(0);
  const skippable = Buffer.concat([Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);
  const packed: Readonly<Record<string, readonly [Buffer, Buffer]>> = {
    'plain data': [text, text],
    'plain data, shorter than any mark': [short, short],
    nothing: [none, none],
    gzip: [gzip(text), text],
    'gzip of nothing': [gzip(none), none],
    'gzip, two members': [Buffer.concat([gzip(text), gzip(short)]), Buffer.concat([text, short])],
    'gzip, zeroes behind it': [Buffer.concat([gzip(short), Buffer.alloc(100_000)]), short],
    zstd: [zstd(text), text],
    'zstd of nothing': [zstd(none), none],
    'zstd of three bytes': [zstd(short), short],
    'zstd, two frames': [Buffer.concat([zstd(text), zstd(short)]), Buffer.concat([text, short])],
    'zstd, skippable frames before, between and behind': [
      Buffer.concat([skippable, zstd(short), skippable, zstd(short), skippable]),
      Buffer.concat([short, short]),
    ],
    'zstd, in several frames by pzstd': [zstd(text, '-T2', '-B100000'), text],
  };
  test.each(Object.entries(packed))('%s', async (_title, [bytes, wanted]) => {
    const small = bytes.length < 1000 ? [1, 7] : [1021];
    for (const step of [1_000_000, ...small]) expect((await plainOf(bytes, step)).equals(wanted)).toBe(true);
  });

  const levels = ['--fast=5', '-1', '-3', '-6', '-9', '-13', '-19', '--ultra -22 --long=24', '-3 --no-check'];
  test.each(levels)('what zstd %s packs, of data of all kinds', async (level) => {
    const random = seeded(level.length * 100 + level.charCodeAt(1));
    // The best levels take long to begin with, and for each MB.
    const large = /-13|-19/.test(level) ? [300_000] : [600_000, 3_000_000];
    const usual = [1, 2, 5, 20, 255, 256, 1000, 65_000, 131_072, 131_073, ...large];
    for (const length of level.includes('-22') ? [5, 300_000] : usual) {
      const bytes = data(random, length);
      expect((await plainOf(zstd(bytes, ...level.split(' ')), 50_000)).equals(bytes)).toBe(true);
      // Its length is not known beforehand then, and the frame says a window.
      const streamed = execFileSync('sh', ['-c', `cat | zstd -q -c ${level}`], {
        input: bytes,
        maxBuffer: 1 << 30,
      });
      expect((await plainOf(streamed)).equals(bytes)).toBe(true);
    }
  });

  test('what is gzipped here is the same every time, and gzip reads it', async () => {
    const one = await all(gzipped(pieces(text, 1000)));
    expect((await all(gzipped(pieces(text, 1000)))).equals(one)).toBe(true);
    expect(execFileSync('gzip', ['-dc'], { input: one, maxBuffer: 1 << 30 }).equals(text)).toBe(true);
  });

  test('who stops early lets go of the source, and an error of the source is no other', async () => {
    for (const bytes of [text, gzip(text), zstd(text)]) {
      let closed = false;
      async function* source(fail: boolean): AsyncGenerator<Uint8Array> {
        try {
          yield* pieces(bytes, 5000);
          if (fail) throw new Error('the line is dead');
          yield new Uint8Array(0);
        } finally {
          closed = true;
        }
      }
      for await (const piece of decompressed(source(false), DEFAULT_BUDGETS)) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
      expect(closed).toBe(true);
      await expect(all(decompressed(source(true), DEFAULT_BUDGETS))).rejects.toThrow('the line is dead');
    }
  });

  test('hashed: the bytes, and their digest', async () => {
    const hash = createHash('sha256');
    expect((await all(hashed(pieces(text, 999), hash))).equals(text)).toBe(true);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(text).digest('hex'));
  });
});

describe('what is refused', () => {
  const frame = (descriptor: number, ...rest: number[]): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest]);
  const block = (word: number): number[] => [word & 255, (word >> 8) & 255, word >> 16];
  const last = (type: number, size: number): number[] => block(1 | (type << 1) | (size << 3));
  const wrongTrailer = gzip(text);
  wrongTrailer[wrongTrailer.length - 6]! ^= 1;
  const bad: Readonly<Record<string, readonly [Buffer, string]>> = {
    xz: [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0]), 'packed with xz'],
    bzip2: [Buffer.from('BZh91AY'), 'packed with bzip2'],
    'gzip, cut': [gzip(text).subarray(0, 1000), 'gzip data is cut off'],
    'gzip, the second member cut': [Buffer.concat([gzip(text), gzip(text).subarray(0, 9)]), 'cut off'],
    'gzip with a wrong sum': [wrongTrailer, 'gzip data is damaged'],
    'gzip, something behind it': [Buffer.concat([gzip(text), Buffer.from('junk')]), 'damaged'],
    'gzip, something behind zeroes': [
      Buffer.concat([gzip(text), Buffer.alloc(100_000), Buffer.from('junk')]),
      'something follows',
    ],
    'zstd, cut': [zstd(text).subarray(0, 1000), 'zstd data is cut off'],
    'zstd, cut in a skippable frame': [Buffer.from([0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]), 'cut off'],
    'zstd, something behind it': [Buffer.concat([zstd(text), Buffer.from('junk')]), 'no zstd frame follows'],
    'zstd, a window of 129 MiB': [frame(0, 0x89, ...last(0, 0)), 'requires too much memory'],
    'zstd, a frame of one piece of 4 GiB': [
      frame(0xa0, 255, 255, 255, 255, ...last(0, 0)),
      'requires too much memory',
    ],
    'zstd with a dictionary': [frame(1, 0x50, 7, ...last(0, 0)), 'ictionary mismatch'],
    'zstd, a reserved bit': [frame(8, 0x50, ...last(0, 0)), 'Unsupported frame parameter'],
    'zstd, a reserved block': [frame(0, 0x50, ...last(3, 0)), 'corruption detected'],
    'zstd, a block of 129 KiB': [frame(0, 0x50, ...last(1, 129 * 1024), 7), 'corruption detected'],
    'zstd, more than it says': [frame(0x20, 3, ...last(1, 4), 7), 'corruption detected'],
    'zstd, less than it says': [frame(0x20, 5, ...last(1, 4), 7), 'corruption detected'],
    'zstd, literals that are not there': [frame(0, 0x50, ...last(2, 1), 0x20), 'corruption detected'],
    'zstd, literals by a tree that was never there': [
      frame(0, 0x50, ...last(2, 4), 0x13, 0, 0, 0),
      'ictionary is corrupted',
    ],
    'zstd, a match before the begin': [
      frame(0, 0x50, ...last(2, 7), 0x00, 1, 0x54, 0, 3, 0, 8),
      'corruption detected',
    ],
    'zstd, a table that was never there': [
      frame(0, 0x50, ...last(2, 4), 0x00, 1, 0xfc, 1),
      'corruption detected',
    ],
  };
  test.each(Object.entries(bad))('%s', async (_title, [bytes, words]) => {
    expect((await refusal(bytes)).message).toContain(`cannot read test.tar: `);
    for (const step of [65_536, 97]) expect((await refusal(bytes, step)).message).toContain(words);
  });

  test('each length that is less than all', async () => {
    const small = Buffer.from('hello, hello, hello, world');
    for (const bytes of [gzip(small), zstd(small), zstd(small, '--no-check')])
      for (let length = 6; length < bytes.length; length++)
        expect((await refusal(bytes.subarray(0, length))).message).toContain('cut off');
  });
});

describe('changes at random end in the plain data, in other data, or in one error', () => {
  const sources = {
    gzip: gzip(text),
    zstd: zstd(text, '--no-check'),
    'zstd -19': zstd(text, '-19', '--no-check'),
  };
  const rounds = Object.entries(sources).flatMap(([kind, bytes]) =>
    [1, 2].map((seed) => [kind, seed, bytes] as const),
  );
  test.each(rounds)('%s, seed %i', async (_kind, seed, bytes) => {
    const random = seeded(seed);
    let refused = 0;
    for (let n = 0; n < 150; n++) {
      try {
        await plainOf(mutated(bytes, random));
      } catch (error) {
        if (!(error instanceof TsDockError) || error.reason !== 'bad-archive') throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(50);
  });
});

describe('bombs', () => {
  /** Takes all, and says how far it came and what memory it took. */
  async function bombed(bytes: Buffer): Promise<{ error: unknown; unpacked: number; growth: number }> {
    const before = process.memoryUsage.rss();
    let [unpacked, most] = [0, before];
    let error: unknown;
    try {
      for await (const piece of decompressed(pieces(bytes, 65_536), DEFAULT_BUDGETS, 'test.tar')) {
        unpacked += piece.length;
        if (unpacked % 65_536 === 0) most = Math.max(most, process.memoryUsage.rss());
      }
    } catch (caught) {
      error = caught;
    }
    return { error, unpacked, growth: most - before };
  }
  const MiB = 1024 * 1024;
  const shell = (command: string): Buffer => execFileSync('sh', ['-c', command], { maxBuffer: 1 << 30 });

  const zeroes = (count: number): Buffer => Buffer.alloc(count * MiB);
  const bombs = {
    'gzip, in one piece': () => gzip(zeroes(64)),
    'gzip, a GiB in members': () => Buffer.concat(new Array<Buffer>(32).fill(gzip(zeroes(32)))),
    'zstd, a GiB in frames': () => Buffer.concat(new Array<Buffer>(32).fill(zstd(zeroes(32)))),
    'zstd, in a large window': () => shell('head -c 268435456 /dev/zero | zstd -q -c --long=27'),
  };
  test.each(Object.entries(bombs))(
    'zeroes by %s end soon after 16 MiB, and take little memory',
    async (_title, make) => {
      const { error, unpacked, growth } = await bombed(make());
      expect(error).toBeInstanceOf(TsDockError);
      expect((error as TsDockError).message).toContain('more than 1000 times as many');
      expect(unpacked).toBeLessThan(20 * MiB);
      expect(growth).toBeLessThan(100 * MiB);
    },
  );

  test('16 MiB of them are no bomb', async () => {
    expect(await bombed(shell('head -c 16777216 /dev/zero | gzip -9 -c'))).toMatchObject({
      error: undefined,
      unpacked: 16 * MiB,
    });
  });

  test('blocks of one byte in a window of 128 MiB cost no more than others', async () => {
    const blocks = Buffer.alloc(4 * 200_000);
    for (let at = 0; at < blocks.length; at += 4) blocks.set([(1 << 1) | (1 << 3), 0, 0, 7], at);
    const bytes = Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x88]),
      blocks,
      Buffer.from([1, 0, 0]),
    ]);
    const { error, unpacked, growth } = await bombed(bytes);
    expect(error).toBeUndefined();
    expect(unpacked).toBe(200_000);
    expect(growth).toBeLessThan(100 * MiB);
  });

  test('window after window, each gives its memory back at once', async () => {
    const bytes = shell('head -c 134217728 /dev/zero | zstd -q -c --long=27');
    const budgets = { ...DEFAULT_BUDGETS, ratio: 1e9 };
    const before = process.memoryUsage.rss();
    for (let n = 0; n < 5; n++)
      for await (const piece of decompressed(pieces(bytes, 65_536), budgets))
        expect(piece.length).toBeGreaterThan(0);
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * MiB);
  });

  test('half a GiB in a window of 128 MiB takes little more than the window', async () => {
    // Noise that comes again after 100 MiB: the window is used.
    const { error, unpacked, growth } = await bombed(
      shell(
        'head -c 104857600 /dev/urandom > "$0"; cat "$0" "$0" | zstd -q -c --long=27; rm "$0"'.replaceAll(
          '"$0"',
          `/tmp/tsdock-noise-${process.pid}`,
        ),
      ),
    );
    expect(error).toBeUndefined();
    expect(unpacked).toBe(200 * MiB);
    expect(growth).toBeLessThan(500 * MiB);
  });
});
