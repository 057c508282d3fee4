/** What lies on disk after an archive was unpacked, kind by kind: what an image promises is what a container gets. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { unpack, type SplitSink } from '../../src/archive/unpack.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { directory, file, hardlink, symlink, tarOf, xattrs, type Member } from './rig-tar.ts';
import { nodeAt, scratch, treeOf, unpackInto, withFolder } from './rig-tree.ts';

let folder: string;
let done: () => void;
beforeEach(() => {
  ({ path: folder, done } = scratch('unpack'));
});
afterEach(() => done());

const at = (name: string): string => join(folder, name);
const refused = (reason: string): unknown => expect.objectContaining({ reason });
const openFds = (): number => readdirSync('/proc/self/fd').length;
const YES = { 'trusted.overlay.opaque': 'y' };

describe.skipIf(skipUnlessRoot())('unpack', () => {
  test('gives each kind its owner, mode, nanoseconds and content', async () => {
    const pax = { mtime: '1234567890.123456789' };
    const who = { uid: 123, gid: 70_000, pax };
    const { size, entries } = await unpackInto(folder, [
      directory('d/', { mode: 0o1777, ...who }),
      file('d/setuid', 'program', { mode: 0o6755, ...who }),
      symlink('d/link', '/nowhere/../at/all', who),
      hardlink('d/second', 'd/setuid'),
      { name: 'd/char', type: '3', major: 10, minor: 229, mode: 0o666, ...who },
      { name: 'd/block', type: '4', major: 7, minor: 3, mode: 0o660, ...who },
      { name: 'd/fifo', type: '6', mode: 0o622, ...who },
    ]);
    expect({ size, entries }).toEqual({ size: 7, entries: 7 });
    const common = { owner: '123:70000', mtime: 1_234_567_890_123_456_789n };
    expect(nodeAt(at('d'))).toMatchObject({ kind: 'directory', mode: '1777', ...common });
    expect(nodeAt(at('d/setuid'))).toMatchObject({ kind: 'file', mode: '6755', nlink: 2n, ...common });
    expect(nodeAt(at('d/link'))).toMatchObject({ kind: 'symlink', content: '/nowhere/../at/all', ...common });
    expect(nodeAt(at('d/char'))).toMatchObject({
      kind: 'character',
      content: '10:229',
      mode: '666',
      ...common,
    });
    expect(nodeAt(at('d/block'))).toMatchObject({ kind: 'block', content: '7:3', mode: '660', ...common });
    expect(nodeAt(at('d/fifo'))).toMatchObject({ kind: 'fifo', mode: '622', ...common });
    expect(nodeAt(at('d/second')).ino).toBe(nodeAt(at('d/setuid')).ino);
  });

  test('does not depend on the umask', async () => {
    const before = process.umask(0o777);
    try {
      await unpackInto(folder, [
        directory('d', { mode: 0o755 }),
        file('d/f', '', { mode: 0o666 }),
        file('x/y/z'),
      ]);
    } finally {
      process.umask(before);
    }
    expect(['d', 'd/f', 'x', 'x/y', 'x/y/z'].map((name) => nodeAt(at(name)).mode)).toEqual([
      ...['755', '666', '755', '755', '644'],
    ]);
  });

  test('gives attributes: a capability after the owner, trusted and user ones, and leaves out what a link cannot have', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    await unpackInto(folder, [
      file('ping', 'x', {
        uid: 5,
        mode: 0o755,
        pax: xattrs({
          'security.capability': capability,
          'user.note': 'n',
          'trusted.seen': Buffer.from([0, 255]),
        }),
      }),
      directory('d', { pax: xattrs({ 'user.dir': 'yes' }) }),
      symlink('link', 'ping', { pax: xattrs({ 'user.note': 'n', 'trusted.on-link': 'l' }) }),
      { name: 'fifo', type: '6', pax: xattrs({ 'user.note': 'n' }) },
    ]);
    expect(nodeAt(at('ping')).xattrs).toEqual({
      'security.capability': capability.toString('latin1'),
      'trusted.seen': '\0\xff',
      'user.note': 'n',
    });
    expect(nodeAt(at('d')).xattrs).toEqual({ 'user.dir': 'yes' });
    expect(nodeAt(at('link')).xattrs).toEqual({ 'trusted.on-link': 'l' });
    expect(nodeAt(at('fifo')).xattrs).toEqual({});
  });

  test('drops the marks of overlayfs that an archive brings as attributes', async () => {
    const marks = xattrs({
      'trusted.overlay.opaque': 'y',
      'trusted.overlay.redirect': '/etc',
      'trusted.overlay.metacopy': '',
      'trusted.overlay.whiteout': 'y',
    });
    await unpackInto(folder, [
      directory('d', { pax: marks }),
      file('f', 'x', { pax: marks }),
      directory('./', { pax: marks }),
    ]);
    expect([nodeAt(at('d')).xattrs, nodeAt(at('f')).xattrs, nodeAt(folder).xattrs]).toEqual([{}, {}, {}]);
  });

  test('gives directories their times last, also when files come into them later and far apart', async () => {
    const many = Array.from({ length: 200 }, (_, n) => directory(`d${n.toString()}/in/`, { mtime: 500 + n }));
    const members = [
      ...many,
      ...many.map(({ name }) => file(`${name}late`, 'x')),
      ...many.map(({ name }) => symlink(`${name}later`, 'x')),
      directory('./', { mtime: 77, mode: 0o711 }),
      file('at-the-end'),
    ];
    await unpackInto(folder, members);
    const times = many.map(({ name }) => nodeAt(at(name)).mtime);
    expect(times).toEqual(many.map((_, n) => BigInt(500 + n) * 1_000_000_000n));
    expect(nodeAt(folder)).toMatchObject({ mtime: 77_000_000_000n, mode: '711' });
  });

  test('does not turn back the time of a folder that was there before and is none of the archive’s', async () => {
    mkdirSync(at('spool'));
    execFileSync('touch', ['-d', '@1000', at('spool')]);
    await unpackInto(folder, [file('spool/job')], { manner: 'plain' });
    expect(nodeAt(at('spool')).mtime).toBeGreaterThan(1_000_000_000_000n);
  });

  test('a directory without a member is 0755 root, or as the layers below have it', async () => {
    mkdirSync(at('lower/etc/secret'), { recursive: true, mode: 0o700 });
    execFileSync('chown', ['12:34', at('lower/etc/secret')]);
    execFileSync('touch', ['-d', '@4242', at('lower/etc/secret')]);
    mkdirSync(at('upper'));
    const lower = (path: string): number | undefined =>
      existsSync(at(`lower/${path}`)) ? openSync(at(`lower/${path}`), 'r') : undefined;
    await unpackInto(at('upper'), [file('etc/secret/key'), file('new/one', '', { uid: 9 })], { lower });
    expect(nodeAt(at('upper/etc/secret'))).toMatchObject({
      mode: '700',
      owner: '12:34',
      mtime: 4_242_000_000_000n,
    });
    expect(nodeAt(at('upper/new'))).toMatchObject({ mode: '755', owner: '0:0' });
  });

  test('a later member replaces an earlier one; a directory keeps what is in it', async () => {
    const { size } = await unpackInto(folder, [
      file('twice', 'a long first one'),
      file('twice', 'second'),
      file('was-file', 'x'),
      symlink('was-file', 'twice'),
      symlink('was-link', 'twice'),
      file('was-link', 'own'),
      directory('d', { mode: 0o700 }),
      file('d/kept', 'kept'),
      directory('d', { mode: 0o755, uid: 3 }),
      directory('gone'),
      directory('gone/deep'),
      file('gone/deep/file', 'x'),
      file('gone', 'now a file'),
      file('turned', 'x'),
      directory('turned'),
    ]);
    expect(readFileSync(at('twice'), 'utf8')).toBe('second');
    expect(nodeAt(at('was-file'))).toMatchObject({ kind: 'symlink' });
    expect(readFileSync(at('was-link'), 'utf8')).toBe('own');
    expect(nodeAt(at('d'))).toMatchObject({ mode: '755', owner: '3:0' });
    expect(readFileSync(at('d/kept'), 'utf8')).toBe('kept');
    expect(readFileSync(at('gone'), 'utf8')).toBe('now a file');
    expect(nodeAt(at('turned'))).toMatchObject({ kind: 'directory', xattrs: YES });
    // What was in the directory that went is counted.
    expect(size).toBe(24);
  });

  test('a directory that is replaced while it is open is not written to any more', async () => {
    await expect(
      unpackInto(folder, [directory('a/b'), file('a/b/first'), symlink('a', '/'), file('a/b/second')]),
    ).rejects.toEqual(refused('breakout'));
    await unpackInto(folder, [
      directory('x/b'),
      file('x/b/1'),
      file('x'),
      directory('x'),
      directory('x/b'),
      file('x/b/2'),
    ]);
    expect(readdirSync(at('x/b'))).toEqual(['2']);
  });

  test('cp’s manner: a tree is not replaced by a file, nor a file by a tree', async () => {
    mkdirSync(at('tree'));
    writeFileSync(at('file'), 'x');
    const options = { manner: 'plain', keepKinds: true } as const;
    await expect(unpackInto(folder, [file('tree')], options)).rejects.toEqual(refused('bad-archive'));
    await expect(unpackInto(folder, [directory('file')], options)).rejects.toEqual(refused('bad-archive'));
    await unpackInto(folder, [file('file', 'new'), directory('tree')], options);
    expect(readFileSync(at('file'), 'utf8')).toBe('new');
  });

  describe('whiteouts', () => {
    const WHITEOUT = { kind: 'character', content: '0:0' };

    test('become overlayfs’s, and opaque marks too; aufs’s own names are left out', async () => {
      await unpackInto(folder, [
        directory('d'),
        file('d/.wh.gone'),
        file('e/.wh.hidden-anyway'),
        file('e/f/.wh.hidden-anyway'),
        file('e/.wh..wh..opq'),
        file('.wh.top'),
        hardlink('.wh.linked', '.wh..wh.aufs'),
        file('.wh..wh.aufs'),
        directory('.wh..wh.plnk'),
        file('.wh..wh.plnk/12.34', 'x'),
        file(`.wh.${'n'.repeat(255)}`),
      ]);
      expect(nodeAt(at('d/gone'))).toMatchObject(WHITEOUT);
      expect(nodeAt(at('top'))).toMatchObject(WHITEOUT);
      expect(nodeAt(at('linked'))).toMatchObject(WHITEOUT);
      expect(nodeAt(at('e')).xattrs).toEqual(YES);
      // overlayfs would show the names of those.
      expect([readdirSync(at('e')), readdirSync(at('e/f'))]).toEqual([['f'], []]);
      expect(readdirSync(folder).sort()).toEqual(['d', 'e', 'linked', 'n'.repeat(255), 'top']);
    });

    test('speak of the layers below only, wherever they stand', async () => {
      await unpackInto(folder, [
        file('before', 'kept'),
        file('.wh.before'),
        file('.wh.after'),
        file('after', 'kept'),
        directory('dir'),
        file('dir/kept'),
        file('.wh.dir'),
        file('.wh.dir2'),
        directory('dir2'),
        file('.wh.implied'),
        file('implied/file'),
        directory('o'),
        file('o/kept'),
        file('o/.wh..wh..opq'),
      ]);
      expect(readFileSync(at('before'), 'utf8')).toBe('kept');
      expect(readFileSync(at('after'), 'utf8')).toBe('kept');
      for (const name of ['dir', 'dir2', 'implied', 'o'])
        expect(nodeAt(at(name))).toMatchObject({ kind: 'directory', xattrs: YES });
      expect([existsSync(at('dir/kept')), existsSync(at('o/kept'))]).toEqual([true, true]);
    });

    test('are names like others in cp’s manner', async () => {
      await unpackInto(folder, [file('.wh.x', 'content'), file('.wh..wh..opq')], { manner: 'plain' });
      expect(readdirSync(folder).sort()).toEqual(['.wh..wh..opq', '.wh.x']);
      expect(nodeAt(folder).xattrs).toEqual({});
    });

    test('a hard link does not make a second one', async () => {
      await expect(unpackInto(folder, [file('.wh.x'), hardlink('y', 'x')])).rejects.toEqual(
        refused('bad-archive'),
      );
    });
  });

  describe('hard links', () => {
    test('join symlinks too, and take the place of what was there', async () => {
      await unpackInto(folder, [
        symlink('s', '/etc/passwd'),
        hardlink('t', 's'),
        file('f', 'x'),
        directory('d'),
        file('d/in'),
        hardlink('d', 'f'),
        hardlink('t', '/f'),
        hardlink('f2', './f'),
      ]);
      expect(nodeAt(at('t')).ino).toBe(nodeAt(at('f')).ino);
      expect(nodeAt(at('d'))).toMatchObject({ kind: 'file', nlink: 4n });
    });

    test.each([
      ['that is not there', [hardlink('a', 'b')]],
      ['in a folder that is not there', [hardlink('a', 'b/c')]],
      ['that is a directory', [directory('d'), hardlink('a', 'd')]],
      ['that is itself', [file('a'), hardlink('a', 'a')]],
      ['that is the top', [hardlink('a', './')]],
      ['that goes with what it replaces', [directory('d'), file('d/f'), hardlink('d', 'd/f')]],
    ])('are refused with a target %s', async (_, members) => {
      await expect(unpackInto(folder, members)).rejects.toEqual(refused('bad-archive'));
    });

    test('bring up their target from a layer below, with all that belongs to it', async () => {
      mkdirSync(at('lower/bin'), { recursive: true });
      mkdirSync(at('upper'));
      await unpackInto(at('lower'), [
        directory('bin', { mode: 0o711 }),
        file('bin/perl', 'program', { uid: 4, mode: 0o4755, mtime: 99, pax: xattrs({ 'user.a': 'b' }) }),
        symlink('bin/link', 'perl', { mtime: 98 }),
      ]);
      const lower = (path: string): number | undefined => {
        const link = path.endsWith('link') ? 0o10000000 | 0o400000 : 0;
        return existsSync(at(`lower/${path}`)) ? openSync(at(`lower/${path}`), link) : undefined;
      };
      const before = openFds();
      await unpackInto(at('upper'), [hardlink('perl5', 'bin/perl'), hardlink('l', 'bin/link')], { lower });
      expect(openFds()).toBe(before);
      const up = nodeAt(at('upper/perl5'));
      expect(up).toEqual({ ...nodeAt(at('lower/bin/perl')), ino: up.ino, nlink: 2n });
      expect(nodeAt(at('upper/bin/perl')).ino).toBe(up.ino);
      expect(nodeAt(at('upper/l'))).toMatchObject({ content: 'perl', mtime: 98_000_000_000n });
      expect(nodeAt(at('upper/bin')).mode).toBe('711');
    });
  });

  test('leaves holes as holes', async () => {
    execFileSync('truncate', ['-s', '64M', at('sparse')]);
    execFileSync('dd', [
      'if=/dev/urandom',
      `of=${at('sparse')}`,
      'bs=4096',
      'seek=1000',
      'count=2',
      'conv=notrunc',
      'status=none',
    ]);
    execFileSync('truncate', ['-s', '10M', at('empty')]);
    const tar = execFileSync(
      'tar',
      ['--sparse', '--format=posix', '-C', folder, '-cf', '-', 'sparse', 'empty'],
      {
        maxBuffer: 1 << 26,
      },
    );
    mkdirSync(at('out'));
    await unpackInto(at('out'), tar);
    expect(readFileSync(at('out/sparse')).equals(readFileSync(at('sparse')))).toBe(true);
    expect(statSync(at('out/sparse')).blocks).toBeLessThanOrEqual(statSync(at('sparse')).blocks);
    expect(statSync(at('out/empty'))).toMatchObject({ size: 10 << 20, blocks: 0 });
  });

  test('tells the split where each content is, or that one is lost', async () => {
    const told: string[] = [];
    const split: SplitSink = {
      raw: () => undefined,
      content: (path, extents) => told.push(`${path} ${JSON.stringify(extents)}`),
      lost: () => told.push('lost'),
    };
    await unpackInto(folder, [file('./a//b', '12345'), file('empty'), hardlink('c', 'a/b'), file('.wh.x')], {
      split,
    });
    expect(told.splice(0)).toEqual(['a/b [{"offset":0,"length":5}]']);
    await unpackInto(folder, [file('.wh.y', 'content')], { split });
    await unpackInto(folder, [file('z', 'z')], { split, rewrite: () => null });
    expect(told.splice(0)).toEqual(['lost', 'lost']);
    await unpackInto(folder, [file('twice', '1'), file('twice', '2')], { split });
    expect(told.splice(0).filter((line) => line === 'lost')).toHaveLength(1);
  });

  test('takes another name, or leaves out, where it is told to', async () => {
    await unpackInto(folder, [file('old', 'x', { uid: 7 }), file('not', 'content')], {
      rewrite: (entry) => (entry.name === 'not' ? null : { ...entry, name: 'new', uid: 8 }),
    });
    expect(readdirSync(folder)).toEqual(['new']);
    expect(nodeAt(at('new')).owner).toBe('8:0');
  });

  test('reads archives of any piecing, and of GNU tar as GNU tar does', async () => {
    mkdirSync(at('from/deep/er'), { recursive: true });
    writeFileSync(at(`from/deep/${'long'.repeat(50)}`), randomBytes(3000));
    writeFileSync(at('from/deep/er/ünï'), 'x');
    symlinkSync('deep', at('from/link'));
    for (const format of ['gnu', 'posix']) {
      const tar = execFileSync('tar', [`--format=${format}`, '-C', at('from'), '-cf', '-', '.']);
      for (const size of [1000, 10_240]) {
        const into = at(`${format}-${size.toString()}`);
        mkdirSync(into);
        await unpackInto(into, piecesOf(tar, size));
        const strip = ([name, node]: readonly [string, object]): unknown => [
          name,
          { ...node, ino: 0, mtime: 0n },
        ];
        expect([...treeOf(into)].map(strip)).toEqual([...treeOf(at('from'))].map(strip));
      }
    }
  });

  describe('ends at the budget of', () => {
    const over: readonly (readonly [string, readonly Member[], object])[] = [
      ['bytes', [file('a', 'xxxxx'), file('b', 'xxxxx')], { bytes: 9 }],
      ['the size of a file', [file('a', 'xxxxx')], { fileSize: 4 }],
      ['members', [file('a'), file('b'), file('c')], { entries: 2 }],
      ['members, folders that have none counted', [file('a/b/c/d/e')], { entries: 3 }],
      ['the length of a name', [file('a'.repeat(40))], { path: 39 }],
      ['folders one in another', [file('a/b/c/d')], { depth: 3 }],
      ['the length of a hard link’s target', [file('a'), hardlink('b', `./././a`)], { path: 6 }],
    ];
    test.each(over)('%s', async (_, members, budgets) => {
      await expect(unpackInto(folder, members, { budgets })).rejects.toEqual(refused('bad-archive'));
    });
  });

  test('closes all that it opened, also when it fails in the midst of a file', async () => {
    const before = openFds();
    const deep = Array.from({ length: 300 }, (_, n) => `d${n.toString()}`).join('/');
    await unpackInto(folder, [file(`${deep}/f`, 'x'), hardlink('h', `${deep}/f`)]);
    const cut = tarOf(directory('d/e/f'), file('d/e/f/big', 'x'.repeat(5000))).subarray(0, 3000);
    await expect(unpackInto(folder, Buffer.from(cut))).rejects.toEqual(refused('bad-archive'));
    const source = (async function* () {
      yield tarOf(file('g/h', 'x'.repeat(5000))).subarray(0, 1024);
      await Promise.resolve();
      throw new Error('the line broke');
    })();
    await expect(unpackInto(folder, source)).rejects.toThrow('the line broke');
    expect(openFds()).toBe(before);
  });

  test('a name a thousand folders deep is not walked a thousand times', async () => {
    const port = new Kernel();
    const deep = Array.from({ length: 1000 }, () => 'd').join('/');
    const members = Array.from({ length: 200 }, (_, n) => file(`${deep}/${n.toString()}/f`));
    const many = piecesOf(tarOf(...members), 50_000);
    await withFolder(folder, (fd) => unpack(port, fd, many, { budgets: DEFAULT_BUDGETS, manner: 'layer' }));
    const { calls, more } = port.takenOf();
    // Seven for each of the folders on the way, which are made once; some twenty for each file and its own folder.
    expect(calls.length + more).toBeLessThan(7 * 1000 + 30 * 200);
  });

  test('a hundred thousand calls are not a hundred thousand records', async () => {
    const port = new Kernel();
    const tar = tarOf(...Array.from({ length: 1000 }, (_, n) => file(`f${n.toString()}`, 'x')));
    await withFolder(folder, (fd) =>
      unpack(port, fd, piecesOf(tar, 50_000), { budgets: DEFAULT_BUDGETS, manner: 'layer' }),
    );
    port.exists('/');
    const { calls, more } = port.takenOf();
    expect(calls.at(-1)?.call).toBe('access');
    expect(calls.length).toBeLessThan(1100);
    expect(more).toBeGreaterThan(4000);
    expect(
      calls.some(({ call, args }) => call === 'openat2' && args.join().includes('RESOLVE_BENEATH')),
    ).toBe(true);
  });
});

async function* piecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
