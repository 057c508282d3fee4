/** What the writer says is what the reader understands, at every edge of what ustar can say; tar agrees. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { storedSize, type EntryType, type TarEntry } from '../../src/archive/entry.ts';
import { TarReader } from '../../src/archive/reader.ts';
import { END, headerOf, padding } from '../../src/archive/writer.ts';
import { readArchive, seeded } from './rig-read.ts';

const PLAIN: TarEntry = {
  name: 'a',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0n,
  linkname: '',
  major: 0,
  minor: 0,
  xattrs: new Map(),
};

/** The entry that comes out; its content need not be there. */
function through(entry: TarEntry): TarEntry {
  const seen: TarEntry[] = [];
  const reader = new TarReader(
    { member: (one) => seen.push(one), content: () => undefined, memberEnd: () => undefined },
    { ...DEFAULT_BUDGETS, fileSize: 2 ** 50 },
  );
  reader.push(headerOf(entry));
  expect(seen).toHaveLength(1);
  return seen[0]!;
}

/** Blocks before the content: 1 for a header that says it all, 3 or more with PAX. */
const blocks = (entry: TarEntry): number => headerOf(entry).length / 512;

const shown = (part: Partial<TarEntry>): string => Object.keys(part).join(', ');

const ustar: readonly Partial<TarEntry>[] = [
  {},
  { name: 'n'.repeat(100) },
  { name: `${'p'.repeat(155)}/${'n'.repeat(100)}` },
  { name: `${'p'.repeat(50)}/${'n'.repeat(99)}/`, type: 'directory' },
  { type: 'symlink', linkname: 't'.repeat(100) },
  { uid: 0o7777777, gid: 0o7777777 },
  { size: 8 ** 11 - 1 },
  { mtime: BigInt(8 ** 11 - 1) * 1_000_000_000n },
  { mode: 0o7777 },
  { type: 'character', major: 4095, minor: 0o7777777 },
];

const beyond: readonly Partial<TarEntry>[] = [
  { name: 'n'.repeat(101) },
  { name: `${'p'.repeat(156)}/${'n'.repeat(100)}` },
  { name: `${'p'.repeat(155)}/${'n'.repeat(101)}` },
  { name: `${'d'.repeat(101)}/`, type: 'directory' },
  { name: 'grüße' },
  { name: 'a\nb\x7f' + 'c'.repeat(100) },
  { type: 'hardlink', linkname: 't'.repeat(101) },
  { type: 'symlink', linkname: 'ä' },
  { uid: 0o10000000 },
  { gid: 2 ** 32 - 2 },
  { size: 8 ** 11 },
  { mtime: 1n },
  { mtime: -1n },
  { mtime: -1_500_000_000n },
  { mtime: BigInt(8 ** 11) * 1_000_000_000n },
  { xattrs: new Map([['user.a', new Uint8Array([0, 10, 61, 255])]]) },
  { xattrs: new Map([['user.a=b%c%3D', new Uint8Array(0)]]) },
  { size: 10_000, extents: [{ offset: 0, length: 10 }] },
  { size: 10_000, extents: [{ offset: 9_990, length: 10 }] },
  { size: 10_000, extents: [] },
  { size: 8 ** 11, extents: Array.from({ length: 300 }, (_, n) => ({ offset: n * 20, length: 10 })) },
];

test.each(ustar.map((part, n) => [n, shown(part), part] as const))(
  'a plain header says %i: %s',
  (_n, _keys, part) => {
    const entry = { ...PLAIN, ...part };
    expect(blocks(entry)).toBe(1);
    expect(through(entry)).toEqual(entry);
  },
);

test.each(beyond.map((part, n) => [n, shown(part), part] as const))(
  'PAX says what it cannot, %i: %s',
  (_n, _keys, part) => {
    const entry = { ...PLAIN, ...part };
    expect(blocks(entry)).toBeGreaterThan(2);
    expect(through(entry)).toEqual(entry);
  },
);

test('a directory gets its slash, and keeps it', () => {
  expect(through({ ...PLAIN, type: 'directory', name: 'a' }).name).toBe('a/');
  expect(through({ ...PLAIN, type: 'directory', name: 'a/' }).name).toBe('a/');
});

test('no content, no padding; else up to a whole block', () => {
  expect([0, 1, 511, 512, 513].map((size) => padding(size).length)).toEqual([0, 511, 1, 0, 511]);
});

describe('entries at random come back as they were, and GNU tar can list them', () => {
  test.each([1, 2])('seed %i', (seed) => {
    const random = seeded(seed);
    const pick = <T>(...of: readonly T[]): T => of[random(of.length)]!;
    const word = (): string =>
      Array.from({ length: 1 + random(pick(5, 120)) }, () =>
        pick('a', 'Z', '.', '-', 'é', '漢', ' ', '='),
      ).join('');
    const bytes: Uint8Array[] = [];
    const entries: TarEntry[] = [];
    for (let n = 0; n < 300; n++) {
      const type: EntryType = pick('file', 'hardlink', 'symlink', 'character', 'block', 'directory', 'fifo');
      const device = type === 'character' || type === 'block';
      const name = Array.from({ length: 1 + random(4) }, word).join('/') + n.toString();
      const entry: TarEntry = {
        name: type === 'directory' ? `${name}/` : name,
        type,
        mode: random(0o10000),
        uid: pick(0, 1000, 3_000_000_000),
        gid: pick(0, 65_534, 2 ** 32 - 2),
        size: type === 'file' ? random(3000) : 0,
        mtime: pick(0n, 1n, -5n, 1_700_000_000_000_000_000n, 1_700_000_000_123_456_789n),
        linkname: type === 'symlink' || type === 'hardlink' ? word() : '',
        major: device ? random(4096) : 0,
        minor: device ? random(1 << 20) : 0,
        xattrs: new Map(random(3) === 0 ? [[`user.${word()}`, Uint8Array.from([random(256), 10, 0])]] : []),
      };
      entries.push(entry);
      const content = Buffer.alloc(storedSize(entry), n);
      bytes.push(headerOf(entry), content, padding(content.length));
    }
    const archive = Buffer.concat([...bytes, END]);
    expect(readArchive(archive, 5000).members.map(({ entry }) => entry)).toEqual(entries);
    const listed = execFileSync('tar', ['-tP', '--quoting-style=literal'], {
      input: archive,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    expect(listed.trimEnd().split('\n')).toEqual(entries.map(({ name }) => name));
  });
});
