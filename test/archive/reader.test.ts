/** What an archive may not be: every rule with an archive that breaks it, and one beside it that does not. */
import { describe, expect, test } from 'vitest';
import type { Budgets } from '../../src/archive/budgets.ts';
import { checksumFits } from '../../src/archive/header.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { mutated, readArchive, seeded } from './rig-read.ts';
import { EOA, checksummed, header, member, numbered, octal, pax, sparseGnu, star } from './rig-odd.ts';

const at = (...parts: Uint8Array[]): Buffer => Buffer.concat([...parts, EOA]);

function refusal(bytes: Uint8Array, budgets: Partial<Budgets> = {}): TsDockError {
  try {
    readArchive(bytes, bytes.length, budgets);
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
  throw new Error('it was read');
}

const only = (bytes: Uint8Array) => {
  const { members, again } = readArchive(bytes);
  expect(again.equals(bytes)).toBe(true);
  expect(members).toHaveLength(1);
  return members[0]!;
};

describe('what is read', () => {
  test('nothing at all, and an end alone', () => {
    expect(readArchive(new Uint8Array(0)).members).toEqual([]);
    expect(readArchive(EOA).members).toEqual([]);
  });

  test('an archive without an end, with half of one, and with more behind it', () => {
    const one = member('a', 'text');
    const junk = Buffer.alloc(10_000, 'junk');
    // umoci leaves out the rest of the last block.
    for (const bytes of [
      one,
      one.subarray(0, 700),
      Buffer.concat([one, EOA.subarray(0, 512)]),
      at(one),
      at(one, EOA, junk),
    ])
      expect(only(bytes).content.toString()).toBe('text');
  });

  test('a checksum of signed bytes, as some old tars made', () => {
    expect(only(at(header({ name: 'ä', signed: true }))).entry.name).toBe('ä');
  });

  test('numbers in base 256, in blanks, and in none', () => {
    const { entry } = only(
      at(
        header({
          name: 'a',
          uid: numbered(3_000_000_000n, 8),
          gid: '   17 \0',
          mode: '',
          mtime: numbered(-2n, 12),
        }),
      ),
    );
    expect(entry).toMatchObject({ uid: 3_000_000_000, gid: 0o17, mode: 0, mtime: -2_000_000_000n });
  });

  test('a v7 directory, which only its slash shows, and whose size is none', () => {
    expect(only(at(header({ name: 'a/', type: '\0', magic: '', size: octal(512, 12) }))).entry).toMatchObject(
      {
        type: 'directory',
        size: 0,
      },
    );
    expect(only(at(header({ name: 'a', type: '\0', magic: '' }))).entry.type).toBe('file');
  });

  test('a hard link with the size of its file has no content', () => {
    const bytes = at(header({ name: 'a', type: '1', link: 'b', size: octal(4, 12) }));
    expect(only(bytes).entry).toMatchObject({ type: 'hardlink', linkname: 'b', size: 0 });
    expect(only(at(pax({ size: '4' }), header({ name: 'a', type: '1', link: 'b' }))).entry.size).toBe(0);
  });

  test('the prefix of ustar, the shorter one of star, and none of GNU', () => {
    const prefix = 'p'.repeat(140);
    expect(only(at(header({ name: 'a', prefix }))).entry.name).toBe(`${prefix}/a`);
    expect(only(at(star('a', prefix))).entry.name).toBe(`${prefix.slice(0, 131)}/a`);
    expect(only(at(header({ name: 'a', prefix, magic: 'ustar  \0' }))).entry.name).toBe('a');
  });

  test('a size in PAX, which the header says otherwise', () => {
    const bytes = at(
      pax({ size: '600' }),
      header({ name: 'a', size: octal(3, 12) }),
      Buffer.alloc(1024, 'x'),
    );
    // 600 bytes of content, and the rest of two blocks.
    expect(only(bytes).content).toHaveLength(600);
  });

  test.each([
    ['1.5', 1_500_000_000n],
    ['-1.5', -1_500_000_000n],
    ['-0.25', -250_000_000n],
    ['1.1234567899', 1_123_456_789n],
    ['7.', 7_000_000_000n],
    ['99999999999999', 2n ** 63n - 1n],
    ['-99999999999999', -(2n ** 63n) + 1n],
  ])('the time %s', (mtime, wanted) => {
    expect(only(at(pax({ mtime }), header({ name: 'a' }))).entry.mtime).toBe(wanted);
  });

  test('attributes as the bytes that they are, of GNU tar and of bsdtar', () => {
    const capability = Buffer.from('0100000200040000000000000a0d00ff3d0a0000', 'hex');
    const { xattrs } = only(
      at(
        pax({
          'SCHILY.xattr.security.capability': capability,
          'SCHILY.xattr.user.a%3Db%25': 'odd name',
          'SCHILY.xattr.user.empty': '',
          'LIBARCHIVE.xattr.user.b%20c': capability.toString('base64').replace(/=+$/, ''),
          'LIBARCHIVE.xattr.security.capability': 'AAAA',
        }),
        header({ name: 'a' }),
      ),
    ).entry;
    expect([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('hex')])).toEqual([
      ['security.capability', capability.toString('hex')],
      ['user.a=b%', Buffer.from('odd name').toString('hex')],
      ['user.empty', ''],
      ['user.b c', capability.toString('hex')],
    ]);
  });

  test('a header for all members, and what one says otherwise', () => {
    const { members } = readArchive(
      at(
        pax({ uid: '7', mtime: '1.5', comment: 'abc' }, 'g'),
        member('a', ''),
        pax({ uid: '8' }),
        member('b', ''),
        pax({ uid: '' }),
        member('c', ''),
      ),
    );
    expect(members.map(({ entry }) => entry.uid)).toEqual([7, 8, 0]);
    expect(members.every(({ entry }) => entry.mtime === 1_500_000_000n)).toBe(true);
  });

  test('an old GNU sparse map over several blocks', () => {
    const parts = Array.from({ length: 60 }, (_, n) => [n * 10, 5] as const);
    const { entry, content } = only(at(sparseGnu('a', 1000, parts), Buffer.alloc(512, 's')));
    expect(entry.size).toBe(1000);
    expect(entry.extents).toEqual(parts.map(([offset, length]) => ({ offset, length })));
    expect(content).toHaveLength(300);
  });
});

const sparse10 = (map: string, size: number, more: Record<string, string> = {}, stored?: number): Buffer => {
  const blocks = Buffer.alloc(Math.ceil(map.length / 512) * 512);
  blocks.write(map);
  const records = {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'a',
    'GNU.sparse.realsize': size.toString(),
    ...more,
  };
  const total = stored ?? blocks.length;
  return at(pax(records), header({ name: 'x', size: octal(total, 12) }), blocks, Buffer.alloc(1024));
};
const sparse01 = (map: string, count: number, size = 100, stored = 0): Buffer =>
  at(
    pax({
      'GNU.sparse.map': map,
      'GNU.sparse.numblocks': count.toString(),
      'GNU.sparse.size': size.toString(),
    }),
    header({ name: 'a', size: octal(stored, 12) }),
    Buffer.alloc(Math.ceil(stored / 512) * 512),
  );
const long = (type: string, text: string): Buffer =>
  Buffer.concat([header({ name: '././@LongLink', type, size: octal(text.length, 12) }), padded(text)]);
const padded = (text: string): Buffer => {
  const block = Buffer.alloc(Math.ceil(text.length / 512) * 512);
  block.write(text, 'latin1');
  return block;
};
const raw = (text: string): Buffer =>
  Buffer.concat([
    header({ name: 'x', type: 'x', size: octal(text.length, 12) }),
    padded(text),
    member('a', ''),
  ]);

const REFUSED: Readonly<Record<string, readonly [Uint8Array, string]>> = {
  'no tar at all': [Buffer.alloc(512, 'x'), 'does not begin with the header'],
  'shorter than a header': [Buffer.from('hello'), 'cut off'],
  'a wrong checksum': [at(member('a', ''), header({ name: 'b', sum: 1 })), 'checksum'],
  'cut in a header': [at(member('a', '')).subarray(0, 700), 'cut off behind "a"'],
  'cut in a content': [member('etc/passwd', 'x'.repeat(600)).subarray(0, 800), 'cut off in "etc/passwd"'],
  'cut in the padding of an extended header': [pax({ path: 'a' }).subarray(0, 900), 'cut off in "a"'],
  'cut in an extended header': [pax({ path: 'a' }).subarray(0, 600), 'cut off in'],
  'cut behind an extended header': [pax({ path: 'name' }), 'cut off behind "name"'],
  'an end behind an extended header': [at(pax({ path: 'name' })), 'header is missing'],
  'a lone block of zeroes in its midst': [
    Buffer.concat([member('a', ''), Buffer.alloc(512), member('b', '')]),
    'lone block of zeroes',
  ],
  'digits that are not octal': [at(header({ name: 'a', uid: '0000089\0' })), 'uid is no octal number'],
  'a negative size': [at(header({ name: 'a', size: numbered(-1n, 12) })), 'size is out of all bounds'],
  'a size beyond all': [
    at(header({ name: 'a', size: numbered(2n ** 70n, 12) })),
    'size is out of all bounds',
  ],
  'an owner that means nobody': [
    at(header({ name: 'a', uid: numbered(2n ** 32n - 1n, 8) })),
    'uid 4294967295',
  ],
  'the same in PAX': [at(pax({ gid: '4294967295' }), header({ name: 'a' })), 'gid 4294967295'],
  'a device beyond all': [
    at(header({ name: 'a', type: '3', major: numbered(2n ** 40n, 8) })),
    'device number',
  ],
  'no name': [at(header({ name: '' })), 'no name'],
  'a link to nothing': [at(header({ name: 'a', type: '2' })), 'link to nothing'],
  'a name that is not UTF-8': [at(header({ name: Buffer.from('a\xff', 'latin1') })), '"a\\xff" is not UTF-8'],
  'a name with a NUL': [at(pax({ path: 'a\0b' }), header({ name: 'a' })), 'has a NUL'],
  'a target with a NUL': [at(pax({ linkpath: 'a\0b' }), header({ name: 'a', type: '2' })), 'has a NUL'],
  'an unknown type': [at(header({ name: 'a', type: 'Z' })), 'type "Z" is not known'],
  'a volume label': [at(header({ name: 'a', type: 'V' })), 'volume label'],
  'an incremental backup': [at(header({ name: 'a', type: 'D' })), 'incremental'],
  'the rest of another volume': [at(header({ name: 'a', type: 'M' })), 'another volume'],
  'a prefix in an unknown version': [at(header({ name: 'a', prefix: 'p', magic: 'ustar\0XX' })), 'version'],
  'two PAX headers': [at(pax({ uid: '1' }), pax({ path: 'b' }), member('a', '')), 'two extended headers'],
  'two long names': [at(long('L', 'one'), long('L', 'two'), member('a', '')), 'two extended headers'],
  'a name in PAX and in GNU': [at(pax({ path: 'b' }), long('L', 'c'), member('a', '')), 'a PAX and in a GNU'],
  'a path for all': [
    at(pax({ path: 'b' }, 'g'), member('a', '')),
    'header for all members says their "path"',
  ],
  'a size for all': [at(pax({ size: '0' }, 'g'), member('a', '')), 'says their "size"'],
  'one for all behind one of its own': [
    at(pax({ uid: '1' }), pax({ uid: '1' }, 'g'), member('a', '')),
    'for all',
  ],
  'a record without length': [at(raw('path=a\n')), 'no length'],
  'a record longer than the header': [at(raw('99 path=a\n')), 'not as long as it says'],
  'a record that is too short': [at(raw('5 path=a\n')), 'not as long as it says'],
  'a record of length 0': [at(raw('0 path=a\n')), 'not as long as it says'],
  'a record without a key': [at(raw('6 =ab\n')), 'no key'],
  'a record without an end': [at(raw('9 path=ab')), 'not as long as it says'],
  'a length of twenty digits': [at(raw('99999999999999999999 path=a\n')), 'no length'],
  'a time that is none': [at(pax({ mtime: 'now' }), member('a', '')), 'mtime "now"'],
  'a size that is none': [at(pax({ size: '-1' }), member('a', '')), 'size "-1"'],
  'another charset': [at(pax({ hdrcharset: 'EBCDIC' }), member('a', '')), '"EBCDIC"'],
  'a nameless attribute': [at(pax({ 'SCHILY.xattr.': 'x' }), member('a', '')), 'attribute'],
  'an attribute with a long name': [
    at(pax({ [`SCHILY.xattr.${'n'.repeat(256)}`]: 'x' }), member('a', '')),
    '256 bytes',
  ],
  'a large attribute': [
    at(pax({ 'SCHILY.xattr.user.a': 'x'.repeat(65_537) }), member('a', '')),
    '65537 bytes',
  ],
  'an attribute that is no base64': [at(pax({ 'LIBARCHIVE.xattr.a': '!' }), member('a', '')), 'base64'],
  'sparse by star': [at(pax({ 'SCHILY.realsize': '5' }), member('a', '')), 'star'],
  'sparse by star, in its header': [at(header({ name: 'a', type: 'S' })), 'not known'],
  'a sparse map that overlaps': [
    at(
      sparseGnu('a', 100, [
        [0, 10],
        [5, 10],
      ]),
    ),
    'overlap',
  ],
  'a sparse map out of order': [
    at(
      sparseGnu('a', 100, [
        [50, 10],
        [5, 10],
      ]),
    ),
    'out of order',
  ],
  'a sparse map beyond the size': [at(sparseGnu('a', 100, [[95, 10]])), 'beyond its size'],
  'a sparse map that has less': [sparse01('0,5', 1, 100, 10), 'does not fit'],
  'a sparse map that has more': [sparse01('0,50', 1, 100, 10), 'does not fit'],
  'a sparse map with a wrong count': [sparse01('0,5', 2), 'as many parts'],
  'a sparse map of odd length': [sparse01('0,5,6', 1), 'as many parts'],
  'a sparse map of no numbers': [sparse01('0,x', 1), 'for a number'],
  'a sparse map of negative numbers': [sparse01('-1,5', 1), 'for a number'],
  'a sparse map of huge numbers': [sparse01('9007199254740991,9007199254740991', 1), 'beyond its size'],
  'a sparse map without a size': [
    at(pax({ 'GNU.sparse.map': '0,0', 'GNU.sparse.numblocks': '1' }), member('a', '')),
    'without a size',
  ],
  'a sparse folder': [
    at(pax({ 'GNU.sparse.map': '0,0', 'GNU.sparse.size': '1' }), header({ name: 'a', type: '5' })),
    'no file',
  ],
  'another sparse version': [sparse10('0\n', 0, { 'GNU.sparse.minor': '1' }), '"1.1"'],
  'a 1.0 map that does not end': [sparse10(`1\n${'0'.repeat(20)}`, 0), 'a number that is none'],
  'a 1.0 map with a word': [sparse10('1\n0\nx\n', 0), 'a number that is none'],
  'a 1.0 map longer than its content': [sparse10(`300\n${'0\n'.repeat(254)}`, 0), 'beyond its content'],
  'a 1.0 map of an empty file': [sparse10('0\n', 0, {}, 0), 'beyond its content'],
};

describe('what is refused', () => {
  test.each(Object.entries(REFUSED))('%s', (_title, [bytes, words]) => {
    const error = refusal(bytes);
    expect(error.reason).toBe('bad-archive');
    expect(error.message).toContain('test.tar');
    expect(error.message).toContain(words);
    // In pieces it is no other.
    expect(() => readArchive(bytes, 100)).toThrow(error.message);
  });

  test('names in errors cannot speak to the terminal', () => {
    const { message } = refusal(at(header({ name: '\x1b[2J\u202e\u009b', type: 'Z' })));
    expect(message).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('budgets', () => {
  const deep = `${'d/'.repeat(11)}f`;
  const cases: Readonly<Record<string, readonly [Partial<Budgets>, Buffer, string]>> = {
    entries: [{ entries: 2 }, at(member('a', ''), member('b', ''), member('c', '')), 'more than 2 members'],
    'entries, of headers for all': [
      { entries: 2 },
      at(...[1, 2, 3].map(() => pax({ uid: '1' }, 'g'))),
      'more than 2',
    ],
    path: [{ path: 9 }, at(member('a/name/of/ten', '')), 'a name of 13 bytes'],
    'path, of a target': [
      { path: 9 },
      at(header({ name: 'a', type: '2', link: 'x'.repeat(10) })),
      'a target of 10 bytes',
    ],
    depth: [{ depth: 10 }, at(member(deep, '')), '12 folders deep'],
    headers: [{ headers: 2000 }, at(pax({ comment: 'x'.repeat(2001) }), member('a', '')), 'extended headers'],
    'headers, together': [
      { headers: 2000 },
      at(long('L', 'x'.repeat(1500)), long('K', 'y'.repeat(1500)), member('a', '')),
      'extended headers',
    ],
    'headers, said before they come': [
      { headers: 2000 },
      header({ name: 'x', type: 'x', size: octal(2 ** 32, 12) }),
      'extended headers',
    ],
    'headers, kept for all': [
      { headers: 1500 },
      at(...['a', 'b', 'c'].map((key) => pax({ [key]: 'x'.repeat(600) }, 'g'))),
      'extended headers',
    ],
    'headers, of a sparse map': [
      { headers: 1024 },
      at(
        sparseGnu(
          'a',
          1e9,
          Array.from({ length: 80 }, (_, n) => [n, 0] as const),
        ),
      ),
      'extended headers',
    ],
    fileSize: [{ fileSize: 100 }, at(member('a', 'x'.repeat(101))), 'has 101 bytes'],
    'fileSize, with holes': [
      { fileSize: 100 },
      at(sparseGnu('a', 1e12, [[0, 0]])),
      'has 1000000000000 bytes',
    ],
  };
  test.each(Object.entries(cases))('%s', (_title, [budgets, bytes, words]) => {
    expect(refusal(bytes, budgets).message).toContain(words);
  });

  test('are no hindrance to what is just within them', () => {
    const budgets = { entries: 2, path: deep.length, depth: 12, headers: 1024, fileSize: 100 };
    const bytes = at(member(deep, ''), pax({ comment: 'x' }), member('b', 'x'.repeat(100)));
    expect(readArchive(bytes, bytes.length, budgets).members).toHaveLength(2);
  });
});

describe('archives with changes at random', () => {
  const whole = at(
    pax({ comment: 'for all' }, 'g'),
    member('plain', 'x'.repeat(700)),
    pax({ path: 'long/'.repeat(30), mtime: '-5.123', 'SCHILY.xattr.user.a': Buffer.from([0, 255, 10, 61]) }),
    header({ name: 'd', type: '5' }),
    long('L', 'n'.repeat(200)),
    long('K', 't'.repeat(200)),
    header({ name: 'n', type: '2', link: 't' }),
    sparseGnu(
      's',
      1000,
      Array.from({ length: 30 }, (_, n) => [n * 10, 5] as const),
    ),
    Buffer.alloc(512, 's'),
    pax({
      'GNU.sparse.map': '0,5,50,5',
      'GNU.sparse.numblocks': '2',
      'GNU.sparse.size': '100',
      'GNU.sparse.name': 'p',
    }),
    member('x', '0123456789'),
    sparse10('2\n0\n512\n1000\n0\n', 1000, {}, 1024),
  );

  /** Bytes are changed where they stand, and the checksums made right: what is behind them is what is looked at. */
  const changed = (random: (below: number) => number): Buffer => {
    const bytes = Buffer.from(whole);
    for (let n = 1 + random(4); n > 0; n--)
      bytes[random(bytes.length - 1024)] = [0, 0x20, 0x2f, 0x30, 0x37, 0x4c, 0x53, 0x78, 0x80, 0xff, 0x0a][
        random(11)
      ]!;
    for (let start = 0; start < bytes.length; start += 512) {
      const block = bytes.subarray(start, start + 512);
      if (checksumFits(whole.subarray(start, start + 512))) checksummed(block);
    }
    return bytes;
  };

  const kinds = {
    'broken anywhere': (random: (below: number) => number) => mutated(whole, random),
    'with right checksums': changed,
  };
  const rounds = Object.entries(kinds).flatMap(([kind, make]) =>
    [1, 2, 3, 4].map((seed) => [kind, seed, make] as const),
  );

  test.each(rounds)('%s, seed %i: read or refused, however it is cut', (_kind, seed, make) => {
    const random = seeded(seed);
    expect(readArchive(whole).members.length).toBeGreaterThan(5);
    const seen = { read: 0, refused: 0 };
    for (let n = 0; n < 1500; n++) {
      const bytes = make(random);
      const outcomes = [bytes.length, 1 + random(1000)].map((step) => {
        try {
          const { members, again } = readArchive(bytes, step);
          expect(again.equals(bytes)).toBe(true);
          seen.read += 1;
          return members.map(({ entry }) => entry.name).join('\n');
        } catch (error) {
          if (!(error instanceof TsDockError) || error.reason !== 'bad-archive') throw error;
          seen.refused += 1;
          return error.message;
        }
      });
      expect(outcomes[0]).toBe(outcomes[1]);
    }
    // Neither all nor none: the changes are neither blunt nor beside the point.
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(20);
  });
});
