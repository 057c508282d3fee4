/** What the reader makes of GNU tar's and bsdtar's archives, beside what GNU tar says; and each rebuilt from its split. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { END, headerOf, padding } from '../../src/archive/writer.ts';
import { SplitWriter, rejoin } from '../../src/archive/split.ts';
import { TarReader } from '../../src/archive/reader.ts';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import type { TarEntry } from '../../src/archive/entry.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { unpack } from '../../src/archive/unpack.ts';
import { all, inflated, pieces, readArchive } from './rig-read.ts';

const top = mkdtempSync(join(tmpdir(), 'tsdock-tar-'));
const tree = join(top, 'tree');
const LONG = `${'a-folder-with-a-long-name/'.repeat(3)}${'x'.repeat(90)}`;
const LONGER = `${'b'.repeat(120)}/${'c'.repeat(180)}`;

afterAll(() => {
  rmSync(top, { recursive: true });
});

const tar = (...args: string[]): string =>
  execFileSync('tar', args, { cwd: tree, encoding: 'utf8', env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } });

beforeAll(() => {
  mkdirSync(tree);
  const put = (name: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), content);
  };
  put('plain', 'hello\n');
  put('empty', '');
  put('block', Buffer.alloc(512, 7));
  put('large', Buffer.alloc(300_001, 'abc'));
  put('grüße', 'not ASCII');
  linkSync(join(tree, 'plain'), join(tree, 'zhard'));
  symlinkSync('plain', join(tree, 'soft'));
  execFileSync('mkfifo', [join(tree, 'fifo')]);
  execFileSync('mknod', [join(tree, 'null'), 'c', '1', '3']);
  execFileSync('mknod', [join(tree, 'loop'), 'b', '7', '300']);
  execFileSync('chmod', ['4755', join(tree, 'block')]);
  execFileSync('chown', ['1000:2000', join(tree, 'large')]);
  execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789 UTC', join(tree, 'plain')]);
  // With a hole at its begin, in its midst (more than four parts: GNU's header holds four), and at its end.
  const sparse = openSync(join(tree, 'sparse'), 'w');
  for (let n = 0; n < 30; n++) writeSync(sparse, Buffer.alloc(4096, 65 + n), 0, 4096, 40_960 + n * 81_920);
  closeSync(sparse);
  truncateSync(join(tree, 'sparse'), 5_000_000);
  writeFileSync(join(tree, 'hole'), '');
  truncateSync(join(tree, 'hole'), 1_000_000);
});

function addLongNames(): void {
  for (const name of [LONG, LONGER]) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), name);
  }
  symlinkSync('y'.repeat(200), join(tree, 'longlink'));
}

interface Listed {
  readonly mode: string;
  readonly owner: string;
  readonly size: string;
  readonly name: string;
}

/** `tar -tvv` in columns. */
function listed(archive: string): Listed[] {
  return tar('-tvf', archive, '--numeric-owner', '--full-time', '--quoting-style=literal')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [mode = '', owner = '', size = '', day = '', time = '', ...name] = line.split(/ +/);
      return { mode, owner, size, name: `${day} ${time} ${name.join(' ')}` };
    });
}

const LETTER = {
  file: '-',
  hardlink: 'h',
  symlink: 'l',
  character: 'c',
  block: 'b',
  directory: 'd',
  fifo: 'p',
};

function permissions(mode: number): string {
  const letters = Array.from('rwxrwxrwx', (letter, n) => ((mode >> (8 - n)) & 1 ? letter : '-'));
  if (mode & 0o4000) letters[2] = letters[2] === 'x' ? 's' : 'S';
  return letters.join('');
}

/** The entry in the words of `tar -tvv`. */
function worded(entry: TarEntry): Listed {
  const device = entry.type === 'character' || entry.type === 'block';
  const seconds = entry.mtime / 1_000_000_000n;
  const fraction = entry.mtime % 1_000_000_000n;
  const time = new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  const parted = fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`;
  const link =
    entry.type === 'symlink'
      ? ` -> ${entry.linkname}`
      : entry.type === 'hardlink'
        ? ` link to ${entry.linkname}`
        : '';
  return {
    mode: LETTER[entry.type] + permissions(entry.mode),
    owner: `${entry.uid}/${entry.gid}`,
    size: device ? `${entry.major},${entry.minor}` : entry.size.toString(),
    name: `${time}${parted} ${entry.name}${link}`,
  };
}

/** Takes the archive apart into a folder of contents and a split, and gives it back. */
async function rebuilt(bytes: Buffer, step: number): Promise<Buffer> {
  const sys = new Kernel();
  const folder = mkdtempSync(join(top, 'layer-'));
  const path = join(top, `${folder.slice(-6)}.split`);
  const split = new SplitWriter(sys, path);
  let count = 0;
  let entry: TarEntry | undefined;
  let content: Buffer[] = [];
  const reader = new TarReader(
    {
      raw: (piece) => split.raw(piece),
      member: (next) => {
        entry = next;
        content = [];
      },
      content: (piece) => content.push(Buffer.from(piece)),
      memberEnd: () => {
        if (entry!.type !== 'file') return;
        const name = `f${count++}`;
        writeFileSync(join(folder, name), inflated({ entry: entry!, content: Buffer.concat(content) }));
        split.content(name, entry!.extents ?? [{ offset: 0, length: entry!.size }]);
      },
    },
    DEFAULT_BUDGETS,
  );
  for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step));
  reader.end();
  expect(await split.end()).toBe(true);
  const fd = openSync(folder, 'r');
  try {
    return await all(rejoin(sys, path, fd));
  } finally {
    closeSync(fd);
  }
}

const FORMATS: Readonly<Record<string, readonly string[]>> = {
  v7: ['--format=v7'],
  oldgnu: ['--format=oldgnu'],
  gnu: ['--format=gnu'],
  ustar: ['--format=ustar'],
  posix: ['--format=posix'],
  'gnu sparse': ['--format=gnu', '--sparse'],
  'posix sparse 0.0': ['--format=posix', '--sparse', '--sparse-version=0.0'],
  'posix sparse 0.1': ['--format=posix', '--sparse', '--sparse-version=0.1'],
  'posix sparse 1.0': ['--format=posix', '--sparse', '--sparse-version=1.0'],
  'bsdtar, pax': ['--format=pax'],
  'bsdtar, gnutar': ['--format=gnutar'],
  'bsdtar, ustar': ['--format=ustar'],
};

describe.each(Object.entries(FORMATS))('%s', (title, options) => {
  const archive = join(top, `${title}.tar`);
  const names = ['plain', 'empty', 'block', 'large', 'zhard', 'soft', 'sparse', 'hole', 'grüße'];
  let bytes: Buffer;
  beforeAll(() => {
    if (title === 'gnu') addLongNames();
    const short = /v7|oldgnu|ustar/.test(title);
    const more = title === 'v7' ? [] : ['fifo', 'null', 'loop'];
    const program = title.startsWith('bsdtar') ? 'bsdtar' : 'tar';
    execFileSync(program, ['-cf', archive, ...options, ...(short ? [...names, ...more] : ['.'])], {
      cwd: tree,
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    bytes = readFileSync(archive);
  });

  test('says the same members as tar does', () => {
    expect(readArchive(bytes).members.map(({ entry }) => worded(entry))).toEqual(listed(archive));
  });

  test('has the same contents, however the bytes come', () => {
    for (const step of [bytes.length, 511, 513, 65_536]) {
      const { members, again } = readArchive(bytes, step);
      expect(again.equals(bytes)).toBe(true);
      for (const read of members)
        if (read.entry.type === 'file' && read.entry.size > 0)
          expect(inflated(read).equals(readFileSync(join(tree, read.entry.name)))).toBe(true);
    }
  });

  test('is rebuilt byte for byte from its split', async () => {
    expect((await rebuilt(bytes, 10_000)).equals(bytes)).toBe(true);
  });

  test('unpacked for good, and rebuilt from that layer', async () => {
    const sys = new Kernel();
    const folder = mkdtempSync(join(top, 'real-'));
    const split = new SplitWriter(sys, `${folder}.split`);
    const fd = openSync(folder, 'r');
    try {
      await unpack(sys, fd, pieces(bytes, 10_000), { budgets: DEFAULT_BUDGETS, manner: 'layer', split });
      expect(await split.end()).toBe(true);
      expect((await all(rejoin(sys, `${folder}.split`, fd))).equals(bytes)).toBe(true);
    } finally {
      closeSync(fd);
    }
  });

  test('written anew by our writer, tar lists the same, and so do we', async () => {
    const { members } = readArchive(bytes);
    const fresh = Buffer.concat([
      ...members.flatMap(({ entry, content }) => [headerOf(entry), content, padding(content.length)]),
      END,
    ]);
    const path = join(top, `${title}-fresh.tar`);
    writeFileSync(path, fresh);
    expect(listed(path)).toEqual(listed(archive));
    const again = readArchive(fresh).members;
    expect(again.map(({ entry }) => entry)).toEqual(members.map(({ entry }) => entry));
    expect(again.every(({ content }, n) => content.equals(members[n]!.content))).toBe(true);
    expect((await rebuilt(fresh, fresh.length)).equals(fresh)).toBe(true);
    const out = mkdtempSync(join(top, 'out-'));
    execFileSync('tar', ['-xf', path, '-C', out]);
    expect(readFileSync(join(out, 'sparse')).equals(readFileSync(join(tree, 'sparse')))).toBe(true);
  });
});

test('attributes, as tar --xattrs keeps them', () => {
  const sys = new Kernel();
  const values = {
    'user.plain': Buffer.from('text'),
    'user.odd=%25': Buffer.from([0, 255, 10, 61, 0]),
    'user.empty': Buffer.alloc(0),
    // cap_net_raw=ep, as setcap writes it: no text in any encoding.
    'security.capability': Buffer.from('0100000200200000000000000000000000000000', 'hex'),
  };
  const fd = openSync(join(tree, 'capable'), 'w');
  for (const [name, value] of Object.entries(values)) sys.fsetxattr(fd, name, value);
  closeSync(fd);
  const archive = join(top, 'xattrs.tar');
  tar('--xattrs', '--xattrs-include=*', '--format=posix', '-cf', archive, 'capable');
  const { members } = readArchive(readFileSync(archive));
  const sorted = (entries: Iterable<readonly [string, Uint8Array]>): string[] =>
    Array.from(entries, ([name, value]) => `${name}: ${Buffer.from(value).toString('hex')}`).sort();
  expect(sorted(members[0]!.entry.xattrs)).toEqual(sorted(Object.entries(values)));

  // And back: tar unpacks what our writer says of them.
  writeFileSync(archive, Buffer.concat([headerOf(members[0]!.entry), END]));
  const out = mkdtempSync(join(top, 'out-'));
  tar('--xattrs', '--xattrs-include=*', '-xf', archive, '-C', out);
  const again = openSync(join(out, 'capable'), 'r');
  const got = sys.flistxattr(again).map((name) => [name, sys.fgetxattr(again, name)!] as const);
  closeSync(again);
  expect(sorted(got)).toEqual(sorted(Object.entries(values)));
});
