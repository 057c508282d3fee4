/** A tree becomes an archive: the same tree the same bytes, nothing of it lost, nothing of the host in it. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { pack } from '../../src/archive/pack.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { readArchive } from './rig-read.ts';
import { directory, file, hardlink, symlink, xattrs } from './rig-tar.ts';
import { lines, packed, scratch, sys, unpackInto, withFolder } from './rig-tree.ts';

let folder: string;
let done: () => void;
beforeEach(() => {
  ({ path: folder, done } = scratch('pack'));
});
afterEach(() => done());

const at = (name: string): string => join(folder, name);
const names = (tar: Buffer): string[] => readArchive(tar).members.map(({ entry }) => entry.name);

const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** A tree with one of each. */
async function makeTree(name: string): Promise<string> {
  mkdirSync(at(name));
  const pax = { mtime: '1234567890.123456789' };
  await unpackInto(at(name), [
    directory('z', { mode: 0o1777, uid: 7, gid: 8, pax }),
    file('z/program', randomBytes(300_000), {
      mode: 0o6755,
      pax: { ...pax, ...xattrs({ 'security.capability': capability, 'user.a': 'b' }) },
    }),
    hardlink('a-second', 'z/program'),
    symlink('link', 'z/../nowhere', { pax }),
    hardlink('link2', 'link'),
    { name: 'char', type: '3', major: 10, minor: 229, mode: 0o666, pax },
    { name: 'block', type: '4', major: 7, minor: 3, pax },
    { name: 'fifo', type: '6', pax },
    file(`long/${'n'.repeat(200)}/${'m'.repeat(250)}`, 'x', { pax, uid: 3_000_000 }),
    file('ünï', '', { pax }),
    file('.wh.hidden', '', { pax }),
    directory('opaque', { pax }),
    file('opaque/.wh..wh..opq', ''),
    file('opaque/own', 'x', { pax }),
  ]);
  return at(name);
}

describe.skipIf(skipUnlessRoot())('pack', () => {
  test('and unpack: the same tree, and the same bytes again', async () => {
    const from = await makeTree('from');
    const tar = await packed(from);
    mkdirSync(at('to'));
    await unpackInto(at('to'), tar);
    expect(lines(at('to')).length).toBe(15);
    expect(lines(at('to'))).toEqual(lines(from));
    expect((await packed(at('to'))).equals(tar)).toBe(true);
    expect((await packed(from)).equals(tar)).toBe(true);
  });

  test('is read by GNU tar', async () => {
    const from = await makeTree('from');
    writeFileSync(at('x.tar'), await packed(from, { manner: 'plain' }));
    mkdirSync(at('to'));
    const tar = ['--xattrs', '--xattrs-include=*', '-xpf', at('x.tar'), '-C', at('to')];
    execFileSync('tar', tar);
    // GNU tar makes even the device 0:0; overlay's own attributes are in no archive.
    const plain = (path: string): string[] =>
      lines(path).map((line) => line.replace('{"trusted.overlay.opaque":"y"}', '{}'));
    expect(plain(at('to'))).toEqual(plain(from));
  });

  test('has the names in order, marks as whiteouts, no sockets', async () => {
    const from = await makeTree('from');
    const server = createServer().listen(join(from, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      expect(names(await packed(from))).toEqual([
        'a-second',
        'block',
        'char',
        'fifo',
        '.wh.hidden',
        'link',
        'link2',
        'long/',
        `long/${'n'.repeat(200)}/`,
        `long/${'n'.repeat(200)}/${'m'.repeat(250)}`,
        'opaque/',
        'opaque/.wh..wh..opq',
        'opaque/own',
        'z/',
        'z/program',
        'ünï',
      ]);
    } finally {
      server.close();
    }
  });

  test('puts a prefix before all names, or takes some of the names at the top', async () => {
    await unpackInto(folder, [file('a/b', 'x'), file('c'), hardlink('d', 'c'), file('e/a')]);
    expect(names(await packed(folder, { manner: 'plain', prefix: 'etc' }))).toEqual([
      ...['etc/', 'etc/a/', 'etc/a/b', 'etc/c', 'etc/d', 'etc/e/', 'etc/e/a'],
    ]);
    const { members } = readArchive(await packed(folder, { manner: 'plain', prefix: 'x/' }));
    expect(members.find(({ entry }) => entry.name === 'x/d')?.entry.linkname).toBe('x/c');
    expect(names(await packed(folder, { except: ['a', 'd'] }))).toEqual(['c', 'e/', 'e/a']);
    expect(names(await packed(folder, { only: ['a'] }))).toEqual(['a/', 'a/b']);
  });

  test('says an opaque top', async () => {
    await unpackInto(folder, [file('.wh..wh..opq'), file('x')]);
    expect(names(await packed(folder))).toEqual(['.wh..wh..opq', 'x']);
    expect(names(await packed(folder, { manner: 'plain' }))).toEqual(['x']);
  });

  test('leaves holes out', async () => {
    writeFileSync(at('sparse'), 'begin');
    truncateSync(at('sparse'), 50 << 20);
    writeFileSync(at('empty'), '');
    truncateSync(at('empty'), 1 << 30);
    const tar = await packed(folder);
    expect(tar.length).toBeLessThan(100_000);
    mkdirSync(at('to'));
    await unpackInto(at('to'), tar);
    expect(readFileSync(at('to/sparse')).equals(readFileSync(at('sparse')))).toBe(true);
    expect(statSync(at('to/empty'))).toMatchObject({ size: 1 << 30, blocks: 0 });
  });

  test('keeps to the size that it said, also when a file shrinks or grows meanwhile', async () => {
    writeFileSync(at('grows'), Buffer.alloc(1 << 20, 'g'));
    writeFileSync(at('shrinks'), Buffer.alloc(1 << 20, 's'));
    const all: Uint8Array[] = [];
    await withFolder(folder, async (fd) => {
      for await (const piece of pack(sys, fd, { manner: 'layer' })) {
        if (all.length === 0) writeFileSync(at('grows'), Buffer.alloc(3 << 20, 'G'));
        if (all.length === 5) truncateSync(at('shrinks'), 1000);
        all.push(Uint8Array.from(piece));
      }
    });
    const { members } = readArchive(Buffer.concat(all));
    expect(members.map(({ entry, content }) => [entry.name, entry.size, content.length])).toEqual([
      ['grows', 1 << 20, 1 << 20],
      ['shrinks', 1 << 20, 1 << 20],
    ]);
    expect(members[1]?.content.at(-1)).toBe(0);
  });

  test('leaves out what went away, and does not follow what came in its place', async () => {
    mkdirSync(at('tree/b'), { recursive: true });
    writeFileSync(at('tree/a'), Buffer.alloc(1 << 20));
    for (const name of ['b/file', 'c', 'd']) writeFileSync(at(`tree/${name}`), 'inside');
    mkdirSync(at('outside'));
    writeFileSync(at('outside/file'), 'secret');
    const all: Uint8Array[] = [];
    await withFolder(at('tree'), async (fd) => {
      for await (const piece of pack(sys, fd, { manner: 'plain' })) {
        if (all.length === 0) {
          execFileSync('rm', ['-r', at('tree/b'), at('tree/c'), at('tree/d')]);
          symlinkSync('../outside', at('tree/b'));
          symlinkSync('../outside/file', at('tree/d'));
        }
        all.push(Uint8Array.from(piece));
      }
    });
    const tar = Buffer.concat(all);
    expect(names(tar)).toEqual(['a', 'b', 'd']);
    expect(tar.includes('secret')).toBe(false);
  });

  test('refuses what no layer can say: a file named like a whiteout, a part kept in another layer, a name that is no text', async () => {
    const refused = expect.objectContaining({ reason: 'bad-archive' }) as unknown;
    writeFileSync(at('.wh.own'), '');
    await expect(packed(folder)).rejects.toEqual(refused);
    expect(names(await packed(folder, { manner: 'plain' }))).toEqual(['.wh.own']);
    unlinkSync(at('.wh.own'));
    mkdirSync(at('d'));
    await withFolder(at('d'), async (fd) => {
      await Promise.resolve();
      sys.fsetxattr(fd, 'trusted.overlay.redirect', Buffer.from('/other'));
    });
    await expect(packed(folder)).rejects.toEqual(refused);
    execFileSync('rm', ['-r', at('d')]);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), '');
    await expect(packed(folder)).rejects.toEqual(refused);
  });

  test('reads no device and waits for no fifo, and closes all', async () => {
    await unpackInto(folder, [
      { name: 'fifo', type: '6' },
      { name: 'tty', type: '3', major: 5, minor: 0 },
    ]);
    const before = readdirSync('/proc/self/fd').length;
    expect(names(await packed(folder))).toEqual(['fifo', 'tty']);
    mkdirSync(at('deep/er'), { recursive: true });
    writeFileSync(at('deep/er/big'), Buffer.alloc(2 << 20));
    await withFolder(folder, async (fd) => {
      for await (const _ of pack(sys, fd, { manner: 'layer' })) break;
    });
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});
