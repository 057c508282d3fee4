/**
 * Archives that were made to get out of the folder that they are unpacked into. Each is unpacked into `store/tree`; the
 * victim beside the store must be as it was, and nothing of it may be in the tree.
 *
 * Each has its positive control: a naive unpacker (paths joined, links followed, as tar's first authors did it) unpacks the
 * same archive in a place of its own, and does reach the victim there. Where it does not, the case says so (`tame`): it is
 * there for what ts-dock says to it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { decompressed } from '../../src/archive/decompress.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { prepareRoot } from '../../src/daemon/store.ts';
import { buildFolder } from '../../src/kernel/binding.ts';
import {
  block,
  directory,
  file,
  hardlink,
  memberBytes,
  paxHeader,
  symlink,
  xattrs,
  type Member,
} from '../archive/rig-tar.ts';
import { FAST, lines, namesIn, nodeAt, scratch, sys, unpackInto, type Options } from '../archive/rig-tree.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

/** From a folder in `base` down to the tree, beside it the victim. */
interface Ground {
  readonly base: string;
  readonly tree: string;
  readonly victim: string;
  readonly secret: string;
}

function ground(base: string): Ground {
  const [tree, victim] = [join(base, 'store', 'tree'), join(base, 'victim')];
  const secret = randomBytes(24).toString('hex');
  mkdirSync(tree, { recursive: true });
  mkdirSync(join(victim, 'sub'), { recursive: true });
  for (const name of ['file', 'other', 'sub/file']) writeFileSync(join(victim, name), `${name} ${secret}`);
  chmodSync(join(victim, 'file'), 0o640);
  chmodSync(victim, 0o750);
  return { base, tree, victim, secret };
}

/** What only a naive unpacker does away with is no error of the test. */
const outcome = (place: Ground): string => {
  try {
    return witness(place).join('\n');
  } catch {
    return 'gone';
  }
};

/** All of the base but the tree: content, kinds, modes, owners, times to the nanosecond, attributes, inodes. */
function witness({ base, tree, victim }: Ground): string[] {
  const top = nodeAt(victim);
  const inodes = namesIn(victim)
    .map((name) => lstatSync(join(victim, name), { bigint: true }))
    .map(({ ino, nlink, ctimeNs }) => [ino, nlink, ctimeNs].join());
  const { mode, uid, gid } = lstatSync(base);
  const around = [readdirSync(base).join(), readdirSync(dirname(tree)).join(), [mode, uid, gid].join()];
  const { mtime, mode: storeMode } = nodeAt(dirname(tree));
  return [
    `${top.mode} ${top.owner} ${top.mtime.toString()}`,
    ...lines(victim),
    ...inodes,
    ...around,
    `${mtime.toString()} ${storeMode}`,
  ];
}

/** What of the victim is in the tree: its inodes, or what only it knows. */
function disclosed({ tree, victim, secret }: Ground): string[] {
  const inodes = new Set(namesIn(victim).map((name) => lstatSync(join(victim, name)).ino));
  return namesIn(tree).filter((name) => {
    const stats = lstatSync(join(tree, name));
    if (inodes.has(stats.ino)) return true;
    return stats.isFile() && stats.size < 1 << 20 && readFileSync(join(tree, name)).includes(secret);
  });
}

/** Unpacks as it stands, by paths. Errors are its own business: it goes on with the next member, as many did. */
function naively(tree: string, members: readonly Member[]): void {
  for (const member of members) {
    try {
      naiveMember(tree, member);
    } catch {
      // As above.
    }
  }
}

function naiveMember(tree: string, member: Member): void {
  const name = (member.pax?.['path'] ?? member.name).toString();
  const path = isAbsolute(name) ? name : join(tree, name);
  const own = basename(path);
  if (own === '.wh..wh..opq') {
    for (const entry of readdirSync(dirname(path))) rmSync(join(dirname(path), entry), { recursive: true });
    return;
  }
  if (own.startsWith('.wh.')) {
    rmSync(join(dirname(path), own.slice('.wh.'.length)), { recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  const { type = '0', linkname = '' } = member;
  if (type === '5') mkdirSync(path, { recursive: true });
  else if (type === '2') {
    if (existsSync(path)) rmSync(path, { recursive: true });
    symlinkSync(linkname, path);
    return;
  } else if (type === '1') linkSync(isAbsolute(linkname) ? linkname : join(tree, linkname), path);
  else if (type === '0') writeFileSync(path, member.content ?? '');
  else
    execFileSync('mknod', [path, ...(type === '6' ? ['p'] : [type === '3' ? 'c' : 'b', '0', '0'])], {
      stdio: 'ignore',
    });
  if (member.mode !== undefined) chmodSync(path, member.mode);
  for (const [key, value] of Object.entries(member.pax ?? {}))
    if (key.startsWith('SCHILY.xattr.')) followingSet(path, key.slice(13), value);
}

function followingSet(path: string, name: string, value: string | Uint8Array): void {
  const fd = openSync(path, 'r');
  try {
    sys.fsetxattr(fd, name, Buffer.from(value as string));
  } finally {
    closeSync(fd);
  }
}

interface Case {
  /** Given the victim by its absolute path, and by the way there from the top of the tree. */
  readonly members: (victim: string, up: string) => readonly (Member | Buffer)[];
  /** How it ends; undefined: it is unpacked, and nothing of it is outside. */
  readonly ends?: 'breakout' | 'bad-archive';
  /** The naive way does no harm either. */
  readonly tame?: boolean;
  readonly options?: Options;
  readonly after?: (tree: string) => void;
}

const UP = '../../victim';
const breakout = (members: Case['members'], more: Partial<Case> = {}): Case => ({
  members,
  ends: 'breakout',
  ...more,
});
const bad = (members: Case['members'], more: Partial<Case> = {}): Case => ({
  members,
  ends: 'bad-archive',
  ...more,
});
const harmless = (members: Case['members'], more: Partial<Case> = {}): Case => ({ members, ...more });
const tame = { tame: true };
const evil = 'evil';
const dirs = (count: number, name = 'd'): string => Array.from({ length: count }, () => name).join('/');
const chain = (count: number, last: string): Member[] => [
  ...Array.from({ length: count }, (_, n) => symlink(`l${n.toString()}`, `l${(n + 1).toString()}`)),
  symlink(`l${count.toString()}`, last),
];

const CASES: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  'names that lead out': {
    'a file by ..': breakout((_, up) => [file(`${up}/file`, evil)]),
    'a new file by ..': breakout((_, up) => [file(`${up}/new`, evil)]),
    'a file by .. behind ./': breakout((_, up) => [file(`./${up}/file`, evil)]),
    'a file by .. behind a folder that is there': breakout((_, up) => [
      directory('a'),
      file(`a/../${up}/file`, evil),
    ]),
    'a file by .. behind a folder that is not there': breakout((_, up) => [file(`no/../${up}/file`, evil)]),
    'a folder by ..': breakout((_, up) => [directory(`${up}/made`)]),
    'the mode of a folder by ..': breakout((_, up) => [directory(`${up}/`, { mode: 0o777 })]),
    'the folder above itself': breakout(() => [directory('..', { mode: 0o777 })]),
    'the folder above itself, as ../.': breakout(() => [directory('.././', { mode: 0o777 })]),
    'a symlink by ..': breakout((_, up) => [symlink(`${up}/link`, 'file')]),
    'a hard link by ..': breakout((_, up) => [file('a', evil), hardlink(`${up}/new`, 'a')]),
    'a fifo by ..': breakout((_, up) => [{ name: `${up}/fifo`, type: '6' }]),
    'a device by ..': breakout((_, up) => [{ name: `${up}/device`, type: '3', major: 1, minor: 3 }]),
    '.. in a PAX header, a plain name in the other': breakout((_, up) => [
      file('plain', evil, { pax: { path: `${up}/file` } }),
    ]),
    '.. in the prefix field of the header': breakout(
      () => [file('victim/file', evil, { patch: [[345, '../..']] })],
      tame,
    ),
    '.. that stays within': breakout(() => [directory('a/b'), file('a/b/../file', 'x')], tame),
    'an absolute name': harmless((victim) => [file(`${victim}/file`, evil)], {
      after: (tree) => expect(readdirSync(tree)).toEqual([FAST.split('/')[1]]),
    }),
    'an absolute name with three slashes': harmless((victim) => [file(`//${victim}/file`, evil)]),
    'an absolute folder': harmless((victim) => [directory(victim, { mode: 0o777 })]),
    backslashes: harmless(() => [file('..\\..\\victim\\file', evil)], tame),
    'dots that are none': harmless(
      () => [file('.../...', 'x'), file('..a/b..', 'x'), file('.. /x', 'x')],
      tame,
    ),
    'a name with a NUL': bad((_, up) => [file('x', evil, { pax: { path: `a\0/${up}/file` } })]),
    'an empty name': bad(() => [file('', 'x')], tame),
    'a file that is the top': bad(() => [file('./', 'x')], tame),
    'a symlink that is the top': bad((victim) => [symlink('./', victim), file('file', evil)]),
    'a hard link that is the top': bad(() => [file('a'), hardlink('/', 'a')], tame),
  },
  'symlinks, then through them': {
    absolute: breakout((victim) => [symlink('l', victim), file('l/file', evil)]),
    relative: breakout((_, up) => [symlink('l', up), file('l/file', evil)]),
    'to the root of the host': breakout((victim) => [symlink('l', '/'), file(`l${victim}/file`, evil)]),
    'to the folder above': breakout(() => [
      symlink('l', '..'),
      symlink('l/m', '..'),
      file('l/m/victim/file', evil),
    ]),
    'up, then a plain name': breakout(() => [symlink('l', '../..'), file('l/victim/file', evil)]),
    'through a second one': breakout((_, up) => [symlink('b', up), symlink('a', 'b'), file('a/file', evil)]),
    'through a second one, made first': breakout((_, up) => [
      symlink('a', 'b'),
      symlink('b', up),
      file('a/file', evil),
    ]),
    'through thirty of them': breakout((victim) => [...chain(30, victim), file('l0/file', evil)]),
    'in the midst of a name': breakout((_, up) => [
      directory('a/b'),
      symlink('a/b/c', `../../${up}`),
      file('a/b/c/sub/file', evil),
    ]),
    'a new folder behind one': breakout((victim) => [symlink('l', victim), file('l/made/new', evil)]),
    'a directory behind one': breakout((victim) => [
      symlink('l', victim),
      directory('l/sub', { mode: 0o777 }),
    ]),
    'a symlink behind one': breakout((victim) => [symlink('l', victim), symlink('l/file', evil)]),
    'a fifo behind one': breakout((victim) => [symlink('l', victim), { name: 'l/fifo', type: '6' }]),
    'a directory that becomes one': breakout((_, up) => [
      directory('d'),
      file('d/first', 'x'),
      symlink('d', up),
      file('d/file', evil),
    ]),
    'a directory above that becomes one, while the one below is open': breakout((victim) => [
      directory('a/sub'),
      file('a/sub/first', 'x'),
      symlink('a', victim),
      file('a/sub/file', evil),
    ]),
    'a hard link to one, then through it': breakout((_, up) => [
      symlink('l', up),
      hardlink('h', 'l'),
      file('h/file', evil),
    ]),
    'to one of /proc that is the top of the host': breakout((victim) => [
      symlink('l', '/proc/self/root'),
      file(`l${victim}/file`, evil),
    ]),
    'to one of /proc that leads on': breakout((victim) => [
      symlink('l', `/proc/self/root${victim}`),
      file('l/file', evil),
    ]),
    'to itself': breakout(() => [symlink('l', 'l'), file('l/x', evil)], tame),
    'to the top': breakout(() => [symlink('l', '.'), file('l/x', evil)], tame),
    'to nothing': bad(() => [symlink('l', '')], tame),
    'a file in the place of one': harmless((victim) => [symlink('f', `${victim}/file`), file('f', evil)], {
      after: (tree) => expect(nodeAt(join(tree, 'f')).kind).toBe('file'),
    }),
    'a file in the place of one that leads to a new name': harmless((victim) => [
      symlink('f', `${victim}/new`),
      file('f', evil),
    ]),
    'a directory in the place of one, and its mode': harmless(
      (victim) => [symlink('d', victim), directory('d', { mode: 0o777 }), file('d/file', evil)],
      { after: (tree) => expect(nodeAt(join(tree, 'd'))).toMatchObject({ kind: 'directory', mode: '777' }) },
    ),
    'attributes of one': harmless((victim) => [
      symlink('f', `${victim}/file`),
      file('f', evil, { pax: xattrs({ 'user.evil': 'yes' }) }),
    ]),
    'owner and time of one': harmless(
      (victim) => [
        symlink('f', `${victim}/file`, { uid: 99, mtime: 5, mode: 0o777, pax: xattrs({ 'trusted.x': 'y' }) }),
      ],
      tame,
    ),
    'a device in the place of one': harmless(
      (victim) => [symlink('f', `${victim}/file`), { name: 'f', type: '3', major: 1, minor: 3, mode: 0o666 }],
      tame,
    ),
  },
  'hard links': {
    'to a file by ..': breakout((_, up) => [hardlink('h', `${up}/file`)]),
    'to a file by .., then written to': breakout((_, up) => [hardlink('h', `${up}/file`), file('h', evil)]),
    'to a file by .., for its mode': breakout((_, up) => [hardlink('h', `${up}/file`, { mode: 0o4777 })]),
    'to an absolute name': bad((victim) => [hardlink('h', `${victim}/file`)]),
    'to an absolute name, then written to': bad((victim) => [
      hardlink('h', `${victim}/file`),
      file('h', evil),
    ]),
    'through a symlinked directory': breakout((victim) => [symlink('d', victim), hardlink('h', 'd/file')]),
    'through a symlinked directory, then written to': breakout((victim) => [
      symlink('d', victim),
      hardlink('h', 'd/file'),
      file('h', evil),
    ]),
    'through a directory that becomes a link': breakout((victim) => [
      directory('d'),
      file('d/file', 'x'),
      symlink('d', victim),
      hardlink('h', 'd/file'),
    ]),
    'made behind a symlinked directory': breakout((victim) => [
      symlink('d', victim),
      file('a', evil),
      hardlink('d/new', 'a'),
    ]),
    'to a symlink, then written to': harmless(
      (victim) => [symlink('s', `${victim}/file`), hardlink('h', 's'), file('h', evil)],
      { after: (tree) => expect(readFileSync(join(tree, 'h'), 'utf8')).toBe(evil) },
    ),
    'to a symlink, which stays one': harmless(
      (victim) => [symlink('s', `${victim}/file`), hardlink('h', 's')],
      {
        tame: true,
        after: (tree) => expect(nodeAt(join(tree, 'h')).kind).toBe('symlink'),
      },
    ),
    'to the folder above': breakout(() => [hardlink('h', '..')], tame),
    'to a NUL': bad(() => [hardlink('h', 'x', { pax: { linkpath: 'a\0b' } })], tame),
    'from a file that the layers below do not have': bad(() => [hardlink('h', 'etc/shadow')], {
      tame: true,
      options: { lower: () => undefined },
    }),
  },
  whiteouts: {
    'behind a symlink': breakout((victim) => [symlink('d', victim), file('d/.wh.file')]),
    'behind a symlink by ..': breakout((_, up) => [symlink('d', up), file('d/.wh.sub')]),
    'opaque, behind a symlink': breakout((victim) => [symlink('d', victim), file('d/.wh..wh..opq')]),
    'by ..': breakout((_, up) => [file(`${up}/.wh.file`)]),
    'opaque, by ..': breakout((_, up) => [file(`${up}/.wh..wh..opq`)]),
    'of the folder above': breakout(() => [directory('d'), file('.wh...')]),
    'of the folder above, deeper': breakout(() => [directory('d'), file('d/.wh...')]),
    'of the folder itself': breakout(() => [file('d/x'), file('d/.wh..')], tame),
    'of nothing': bad(() => [file('.wh.')]),
    'of the top, opaque': harmless(() => [file('x', 'kept'), file('.wh..wh..opq')], {
      tame: true,
      after: (tree) => {
        expect(readFileSync(join(tree, 'x'), 'utf8')).toBe('kept');
        expect(nodeAt(tree).xattrs).toEqual({ 'trusted.overlay.opaque': 'y' });
      },
    }),
    'as a folder on the way': bad((_, up) => [file(`.wh.a/../${up}`.replace(/\.\./g, 'x'))], tame),
    'as a directory': bad(() => [directory('.wh.d')], tame),
    'of a symlink': harmless((victim) => [symlink('l', victim), file('.wh.l')], {
      tame: true,
      after: (tree) => expect(nodeAt(join(tree, 'l')).kind).toBe('symlink'),
    }),
    'that are hard links to outside': harmless((victim) => [hardlink('.wh.x', `${victim}/file`)], {
      tame: true,
      after: (tree) =>
        expect(nodeAt(join(tree, 'x'))).toMatchObject({ kind: 'character', content: '0:0', nlink: 1n }),
    }),
    'that a hard link would give another name': bad(() => [file('.wh.x'), hardlink('y', 'x')], tame),
    'of aufs, as the target of a hard link': bad(
      () => [file('.wh..wh.plnk/1.2', 'x'), hardlink('y', '.wh..wh.plnk/1.2')],
      tame,
    ),
    'of aufs, with .. behind them': breakout((_, up) => [file(`.wh..wh.plnk/../${up}/file`, evil)]),
    'with content': harmless(() => [file('.wh.x', 'x'.repeat(3000)), file('y', 'y')], {
      tame: true,
      after: (tree) => expect(readFileSync(join(tree, 'y'), 'utf8')).toBe('y'),
    }),
  },
  'kinds, attributes and shapes': {
    'the device 0:0': bad(() => [{ name: 'passwd', type: '3' }], tame),
    'the device 0:0 in cp’s manner': bad(() => [{ name: 'passwd', type: '3' }], {
      tame: true,
      options: { manner: 'plain' },
    }),
    'an attribute that no kernel takes': bad(
      () => [file('f', '', { pax: xattrs({ 'security.capability': 'nonsense' }) })],
      tame,
    ),
    'a parent that is a file': bad(() => [file('f', 'x'), file('f/x', evil)], tame),
    'a parent that is a fifo': bad(() => [{ name: 'f', type: '6' }, file('f/x', evil)], tame),
    'a parent that is a device': bad(
      () => [{ name: 'f', type: '3', major: 1, minor: 3 }, file('f/x', evil)],
      tame,
    ),
    'ten thousand folders, one in another': bad(() => [directory(dirs(10_000))], tame),
    'ten thousand folders, one in another, short enough for the longest path': bad(
      () => [directory(dirs(1_100))],
      tame,
    ),
    'a name of 300 bytes': bad(() => [file('n'.repeat(300), 'x')], tame),
    'a name of 256 bytes in 64 characters': bad(() => [file('𝄞'.repeat(64), 'x')], tame),
    'a target of 5000 bytes': bad(() => [symlink('l', 't'.repeat(5000))], tame),
    'a million members': bad(
      () => [
        memberBytes(directory('d')),
        Buffer.concat(Array.from({ length: 400 }, (_, n) => memberBytes(file(`d/${n.toString()}`)))),
      ],
      { tame: true, options: { budgets: { entries: 300 } } },
    ),
    'an owner that means nobody’s change': bad(() => [file('f', '', { pax: { uid: '4294967295' } })], tame),
    'a file of eight exabytes that is all hole': bad(
      () => [
        file('f', '1\n0\n1\n'.padEnd(512, '\0') + 'x', {
          pax: {
            'GNU.sparse.major': '1',
            'GNU.sparse.minor': '0',
            'GNU.sparse.name': 'f',
            'GNU.sparse.realsize': '9007199254740991',
          },
        }),
      ],
      tame,
    ),
    'a file that is said to be larger than any': bad(
      () => [block({ name: 'f', patch: [[124, '77777777777\0']] }, 0)],
      {
        tame: true,
        options: { budgets: { fileSize: 1 << 30 } },
      },
    ),
    'a header for all members that gives them one name': bad(
      (_, up) => [paxHeader({ path: `${up}/file` }, 'g'), file('a', evil)],
      tame,
    ),
  },
};

function reasonOf(error: unknown): string {
  const { reason, code } = error as { readonly reason?: string; readonly code?: string };
  return reason ?? code ?? String(error);
}

describe.skipIf(skipUnlessRoot())('a hostile archive', () => {
  let base: string;
  let done: () => void;
  let count = 0;
  beforeAll(() => {
    ({ path: base, done } = scratch('hostile', FAST));
  });
  afterAll(() => done());
  const newGround = (): Ground => {
    count += 1;
    const folder = join(base, count.toString());
    mkdirSync(folder);
    return ground(folder);
  };

  for (const [what, cases] of Object.entries(CASES))
    describe(what, () => {
      test.each(Object.entries(cases))('%s', async (_, one) => {
        const real = newGround();
        const before = witness(real);
        const ended = await unpackInto(real.tree, one.members(real.victim, UP), one.options).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(witness(real)).toEqual(before);
        expect(disclosed(real)).toEqual([]);
        if (one.ends === undefined) expect(ended).toBeUndefined();
        else expect(ended).toMatchObject({ reason: one.ends });
        one.after?.(real.tree);

        const sacrifice = newGround();
        const its = outcome(sacrifice);
        naively(
          sacrifice.tree,
          one.members(sacrifice.victim, UP).filter((member): member is Member => !Buffer.isBuffer(member)),
        );
        const broken = outcome(sacrifice) !== its || disclosed(sacrifice).length > 0;
        expect(broken).toBe(one.tame !== true);
      });
    });

  test('there are enough of them', () => {
    expect(Object.values(CASES).flatMap((cases) => Object.keys(cases)).length).toBeGreaterThanOrEqual(90);
  });

  test('marks of overlayfs in PAX headers do not become marks; the naive way makes them', async () => {
    const members = ['redirect', 'opaque', 'metacopy', 'origin', 'whiteout', 'impure'].map((mark) =>
      directory(mark, { pax: xattrs({ [`trusted.overlay.${mark}`]: '/etc' }) }),
    );
    const { tree } = newGround();
    await unpackInto(tree, members);
    expect(readdirSync(tree).map((name) => nodeAt(join(tree, name)).xattrs)).toEqual(members.map(() => ({})));
    const sacrifice = newGround().tree;
    naively(sacrifice, members);
    expect(nodeAt(join(sacrifice, 'redirect')).xattrs).toEqual({ 'trusted.overlay.redirect': '/etc' });
  });

  test('somebody who exchanges a folder and a link all the time gets nothing; the naive way loses', async () => {
    const swap = (tree: string): { stop(): Promise<void>; ready: Promise<unknown> } => {
      const program = `
        const k = require(process.argv[1]);
        const fd = require('fs').openSync(process.argv[2], 'r');
        process.stdout.write('.');
        const turn = () => {
          for (let n = 0; n < 200; n += 1) k.renameat2(fd, 'd', fd, 'l', 2);
          setImmediate(turn);
        };
        turn();`;
      const child = spawn(process.execPath, ['-e', program, join(buildFolder(), 'ts_dock.node'), tree], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const left = once(child, 'exit');
      return {
        ready: once(child.stdout, 'data'),
        stop: async () => {
          child.kill('SIGKILL');
          await left;
        },
      };
    };
    const plant = ({ tree, victim }: Ground): void => {
      mkdirSync(join(tree, 'd'));
      symlinkSync(victim, join(tree, 'l'));
    };
    // More folders than stay open, so that each is walked to again and again.
    const members = Array.from({ length: 1000 }, (_, n) =>
      file(`d/${(n % 100).toString()}/${n.toString()}`, evil),
    );

    const real = newGround();
    plant(real);
    const before = witness(real);
    const swapper = swap(real.tree);
    const endings = new Set<string>();
    try {
      await swapper.ready;
      for (let n = 0; n < 12 || (n < 100 && !endings.has('breakout')); n += 1)
        endings.add(
          await unpackInto(real.tree, members, { manner: 'plain' }).then(
            () => 'unpacked',
            (error: unknown) => reasonOf(error),
          ),
        );
    } finally {
      await swapper.stop();
    }
    expect(witness(real)).toEqual(before);
    expect(disclosed(real)).toEqual([]);
    expect([...endings].filter((ending) => !['unpacked', 'breakout'].includes(ending))).toEqual([]);
    expect(endings).toContain('breakout');

    const sacrifice = newGround();
    plant(sacrifice);
    const its = witness(sacrifice).join();
    const other = swap(sacrifice.tree);
    let tries = 0;
    try {
      await other.ready;
      for (; tries < 100 && witness(sacrifice).join() === its; tries += 1)
        naively(
          sacrifice.tree,
          members.filter(({ name }) => lstatSync(join(sacrifice.tree, name.slice(0, 1))).isDirectory()),
        );
    } finally {
      await other.stop();
    }
    expect(witness(sacrifice).join()).not.toBe(its);
  });

  test('a bomb ends at the ratio, and takes no memory', async () => {
    const { tree } = newGround();
    const zeroes = Buffer.alloc(1 << 20);
    const bomb = function* (): Generator<Uint8Array> {
      yield block({ name: 'bomb' }, 8 * 1024 ** 3 - 512);
      for (let n = 0; n < 8192; n += 1) yield zeroes;
    };
    const gzip = Readable.from(bomb()).pipe(createGzip({ level: 9 }));
    const before = process.memoryUsage().rss;
    try {
      await expect(unpackInto(tree, decompressed(gzip, DEFAULT_BUDGETS))).rejects.toMatchObject({
        reason: 'bad-archive',
      });
    } finally {
      gzip.destroy();
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
  });

  test('nobody but root comes to a setuid file of the store; where the folder is open, everybody does', async () => {
    const { path: folder, done: remove } = scratch('nobody');
    try {
      chmodSync(folder, 0o755);
      const place = placeOf(join(folder, 'root'));
      prepareRoot(sys, place);
      const diff = join(place.overlay, 'a'.repeat(64), 'diff');
      mkdirSync(diff, { recursive: true });
      await unpackInto(diff, [
        file('bin/su', readFileSync('/bin/true'), { mode: 0o4755 }),
        directory('./', { mode: 0o755 }),
      ]);
      const asNobody = (program: string, ...args: string[]): string | undefined => {
        try {
          return execFileSync(program, args, { uid: 65_534, gid: 65_534, encoding: 'utf8', stdio: 'pipe' });
        } catch {
          return undefined;
        }
      };
      const su = join(diff, 'bin/su');
      expect(asNobody('/bin/ls', place.root)).toBeUndefined();
      expect(asNobody('/usr/bin/stat', su)).toBeUndefined();
      expect(asNobody(su)).toBeUndefined();
      for (const open of [place.root, place.overlay, dirname(diff), diff]) chmodSync(open, 0o755);
      expect(asNobody('/usr/bin/stat', '-c', '%a %u', su)).toBe('4755 0\n');
      expect(asNobody(su)).toBe('');
    } finally {
      remove();
    }
  });
});
