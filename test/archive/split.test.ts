/** The split of an archive, where it is damaged, and where the layer is not what it was. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SplitWriter, rejoin } from '../../src/archive/split.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { KernelError } from '../../src/kernel/calls.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { all } from './rig-read.ts';

const sys = new Kernel();
let top: string;
let path: string;
let layer: string;
let folder: number;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'tsdock-split-'));
  path = join(top, 'tar-split.gz');
  layer = join(top, 'diff');
  mkdirSync(layer);
  folder = openSync(layer, 'r');
});

afterEach(() => {
  closeSync(folder);
  rmSync(top, { recursive: true });
});

const text = Buffer.from('0123456789');

async function made(...extents: { offset: number; length: number }[]): Promise<void> {
  mkdirSync(join(layer, 'sub'));
  writeFileSync(join(layer, 'sub/file'), text);
  const split = new SplitWriter(sys, path);
  split.raw(Buffer.from('before '));
  split.content('sub/file', extents);
  split.raw(Buffer.from(' behind'));
  expect(await split.end()).toBe(true);
}

const again = (): Promise<Buffer> => all(rejoin(sys, path, folder));
const open = (): number => readdirOfFds().length;
const readdirOfFds = (): string[] => sys.readdirPath('/proc/self/fd');

test('raw bytes, and the parts of a file between them', async () => {
  await made({ offset: 8, length: 2 }, { offset: 0, length: 3 });
  expect((await again()).toString()).toBe('before 89012 behind');
});

test('an archive of nothing, and one with much that is no content', async () => {
  expect(await new SplitWriter(sys, path).end()).toBe(true);
  expect(await again()).toHaveLength(0);
  rmSync(path);
  const junk = Buffer.alloc(3_000_001, 'junk and more of it');
  const split = new SplitWriter(sys, path);
  for (let at = 0; at < junk.length; at += 700_000) split.raw(junk.subarray(at, at + 700_000));
  expect(await split.end()).toBe(true);
  expect((await again()).equals(junk)).toBe(true);
  expect(readFileSync(path).length).toBeLessThan(100_000);
});

test('a content that is lost leaves no split, and one that was abandoned none that is open', async () => {
  const before = open();
  const split = new SplitWriter(sys, path);
  split.raw(Buffer.alloc(1_000_000));
  split.lost();
  split.raw(Buffer.alloc(1_000_000));
  split.content('not/there', [{ offset: 0, length: 1 }]);
  expect(await split.end()).toBe(false);
  expect(existsSync(path)).toBe(false);
  new SplitWriter(sys, path).close();
  expect(open()).toBe(before);
});

test('it does not write over what is there', () => {
  writeFileSync(path, 'mine');
  expect(() => new SplitWriter(sys, path)).toThrow(KernelError);
  rmSync(path);
  symlinkSync('/etc/passwd', path);
  expect(() => new SplitWriter(sys, path)).toThrow(KernelError);
});

test('who stops early leaves no descriptor open', async () => {
  await made({ offset: 0, length: 10 });
  const before = open();
  for await (const piece of rejoin(sys, path, folder)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  for await (const piece of rejoin(sys, path, folder)) if (text.equals(piece)) break;
  expect(open()).toBe(before);
});

describe('the layer is not what it was', () => {
  const cases: Readonly<Record<string, () => void>> = {
    'a file is gone': () => rmSync(join(layer, 'sub/file')),
    'a file is shorter': () => writeFileSync(join(layer, 'sub/file'), '0123'),
    'a file is a folder': () => {
      rmSync(join(layer, 'sub/file'));
      mkdirSync(join(layer, 'sub/file'));
    },
    'a file is a link to another': () => {
      writeFileSync(join(top, 'secret'), 'ten secret');
      rmSync(join(layer, 'sub/file'));
      symlinkSync(join(top, 'secret'), join(layer, 'sub/file'));
    },
    'a folder is a link to another': () => {
      mkdirSync(join(top, 'other'));
      writeFileSync(join(top, 'other/file'), 'ten secret');
      rmSync(join(layer, 'sub'), { recursive: true });
      symlinkSync('../other', join(layer, 'sub'));
      // The naive way does read it.
      expect(readFileSync(join(layer, 'sub/file'), 'utf8')).toBe('ten secret');
    },
  };
  test.each(Object.entries(cases))('%s', async (_title, change) => {
    await made({ offset: 0, length: 10 });
    change();
    const before = open();
    const error: unknown = await again().catch((caught: unknown) => caught);
    expect(
      error instanceof KernelError || (error instanceof TsDockError && error.reason === 'bad-image'),
    ).toBe(true);
    expect(open()).toBe(before);
  });

  test('a path that leads out of it', async () => {
    writeFileSync(join(top, 'secret'), 'ten secret');
    for (const name of ['../secret', join(top, 'secret')]) {
      const split = new SplitWriter(sys, path);
      split.content(name, [{ offset: 0, length: 10 }]);
      await split.end();
      await expect(again()).rejects.toThrow(KernelError);
      rmSync(path);
    }
  });
});

test('a split that is damaged is refused, wherever it is cut', async () => {
  await made({ offset: 0, length: 10 });
  const plain = gunzipSync(readFileSync(path));
  const wrong = async (bytes: Buffer): Promise<void> => {
    writeFileSync(path, bytes);
    const error: unknown = await again().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TsDockError);
  };
  for (let length = 0; length < plain.length; length++) await wrong(gzipSync(plain.subarray(0, length)));
  await wrong(readFileSync(path).subarray(0, 30));
  await wrong(Buffer.from('no gzip at all'));
  const other = Buffer.from(plain);
  other[other.length - 8]! += 1;
  await wrong(gzipSync(other));
  other[20] = 0x5a;
  await wrong(gzipSync(other));
});
