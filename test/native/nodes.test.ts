/** What archives ask of the kernel (`native/addon/nodes.cpp`), against the real one: each call as meant, on a link, and refused. */
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binding, type Or, type Stat } from '../../src/kernel/binding.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { S } from '../../src/kernel/flags.ts';
import { scratch } from '../archive/rig-tree.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const native = binding();
const { errno } = constants;

let folder: string;
let done: () => void;
let dir: number;
let opened: number[];

const at = (name: string): string => join(folder, name);
const open = (name: string, flags = 'r'): number => {
  const fd = openSync(at(name), flags);
  opened.push(fd);
  return fd;
};
const refused = (call: string, code: keyof typeof errno): object => ({ call, errno: errno[code] });
const ok = <T>(answer: Or<T>): T => {
  if (typeof answer === 'object' && answer !== null && 'errno' in answer)
    throw new Error(JSON.stringify(answer));
  return answer;
};

beforeEach(() => {
  ({ path: folder, done } = scratch('nodes'));
  opened = [];
  dir = openSync(folder, 'r');
  mkdirSync(at('sub'));
  mkdirSync(at('outside'));
  writeFileSync(at('file'), 'content');
  writeFileSync(at('outside/victim'), 'victim');
  symlinkSync('outside/victim', at('link'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('outside', at('folder-link'));
});
afterEach(() => {
  for (const fd of [...opened, dir]) closeSync(fd);
  done();
});

const NAMED: Readonly<Record<string, (name: string) => unknown>> = {
  'linkat, from': (name) => native.linkat(dir, name, dir, 'new'),
  'linkat, to': (name) => native.linkat(dir, 'file', dir, name),
  utimensat: (name) => native.utimensat(dir, name, 0n),
  fstatat: (name) => native.fstatat(dir, name),
  fchmodat: (name) => native.fchmodat(dir, name, 0o600),
  setxattrat: (name) => native.setxattrat(dir, name, 'trusted.x', Buffer.from('y')),
  getxattrat: (name) => native.getxattrat(dir, name, 'trusted.x'),
  listxattrat: (name) => native.listxattrat(dir, name),
  removexattrat: (name) => native.removexattrat(dir, name, 'trusted.x'),
};

describe('a name', () => {
  test.each(Object.entries(NAMED))('of %s is one plain component, never more', (_, call) => {
    for (const name of ['', '.', '..', '/', 'sub/x', '../x', 'file/', '/etc/passwd', 'a\0b'])
      expect(() => call(name), JSON.stringify(name)).toThrow(TypeError);
  });

  test.each(Object.entries(NAMED).filter(([name]) => name !== 'linkat, to'))(
    'of %s must be there',
    (_, call) => {
      expect(call('nobody')).toMatchObject({ errno: errno.ENOENT });
    },
  );
});

describe('linkat', () => {
  test('gives a file a second name, a symlink too, and follows neither', () => {
    expect(native.linkat(dir, 'file', open('sub'), 'second')).toBe(0);
    expect(statSync(at('sub/second')).ino).toBe(statSync(at('file')).ino);
    expect(native.linkat(dir, 'link', dir, 'link2')).toBe(0);
    expect(readlinkSync(at('link2'))).toBe('outside/victim');
    expect(native.linkat(dir, 'dangling', dir, 'dangling2')).toBe(0);
    expect(lstatSync(at('dangling2')).ino).toBe(lstatSync(at('dangling')).ino);
  });

  test('refuses directories, and a name that is taken, also by a link that leads nowhere', () => {
    expect(native.linkat(dir, 'sub', dir, 'sub2')).toEqual(refused('linkat', 'EPERM'));
    for (const taken of ['link', 'dangling', 'sub'])
      expect(native.linkat(dir, 'file', dir, taken)).toEqual(refused('linkat', 'EEXIST'));
  });
});

describe('times', () => {
  const TIMES = [
    0n,
    1n,
    1_234_567_890_123_456_789n,
    -1n,
    -1_000_000_000n,
    -1_500_000_001n,
    2_000_000_000_000_000_001n,
  ];

  test.each(TIMES)('%s nanoseconds come back as they went', (time) => {
    expect(native.utimensat(dir, 'file', time)).toBe(0);
    expect(ok(native.fstatat(dir, 'file')).mtime).toBe(time);
    expect(native.utimensat(dir, 'file', 5n)).toBe(0);
    expect(native.futimens(open('file'), time)).toBe(0);
    expect(lstatSync(at('file'), { bigint: true }).mtimeNs).toBe(time);
  });

  test('of a link are the link’s', () => {
    const before = statSync(at('outside/victim'), { bigint: true }).mtimeNs;
    expect(native.utimensat(dir, 'link', 7n)).toBe(0);
    expect(lstatSync(at('link'), { bigint: true }).mtimeNs).toBe(7n);
    expect(statSync(at('outside/victim'), { bigint: true }).mtimeNs).toBe(before);
  });

  test('must be bigints of 64 bits', () => {
    for (const wrong of [1, '1', 2n ** 63n, -(2n ** 63n) - 1n])
      expect(() => native.utimensat(dir, 'file', wrong as bigint)).toThrow(TypeError);
    expect(native.futimens(-1, 0n)).toEqual(refused('futimens', 'EBADF'));
  });
});

describe('fstatat', () => {
  test('looks at the name itself', () => {
    expect(ok(native.fstatat(dir, 'link')).mode & S.IFMT).toBe(S.IFLNK);
    expect(ok(native.fstatat(dir, 'sub')).mode & S.IFMT).toBe(S.IFDIR);
    const there = ok(native.fstatat(dir, 'file'));
    const { size, ino, nlink, blocks, mtimeNs } = lstatSync(at('file'), { bigint: true });
    const node = {
      size: Number(size),
      ino: Number(ino),
      nlink: Number(nlink),
      blocks: Number(blocks),
      mtime: mtimeNs,
    };
    expect(there).toMatchObject(node);
    expect(ok(native.fstat(open('file')))).toEqual<Stat>(there);
  });
});

describe('fchmodat', () => {
  test('changes a name, and refuses a link instead of following it', () => {
    expect(native.fchmodat(dir, 'file', 0o4711)).toBe(0);
    expect(lstatSync(at('file')).mode & 0o7777).toBe(0o4711);
    const before = statSync(at('outside/victim')).mode;
    expect(native.fchmodat(dir, 'link', 0o777)).toMatchObject({ errno: errno.EOPNOTSUPP });
    expect(statSync(at('outside/victim')).mode).toBe(before);
  });
});

describe.skipIf(skipUnlessRoot())('attributes', () => {
  const value = Buffer.from([0, 1, 255, 0]);

  test('of a descriptor are set, read, listed and removed', () => {
    const fd = open('file', 'r+');
    expect(native.fsetxattr(fd, 'trusted.bytes', value)).toBe(0);
    expect(native.fsetxattr(fd, 'user.empty', Buffer.alloc(0))).toBe(0);
    expect(native.fgetxattr(fd, 'trusted.bytes')).toEqual(value);
    expect(native.fgetxattr(fd, 'user.empty')).toEqual(Buffer.alloc(0));
    expect(ok(native.flistxattr(fd)).sort()).toEqual(expect.arrayContaining(['trusted.bytes', 'user.empty']));
    expect(native.fremovexattr(fd, 'user.empty')).toBe(0);
    expect(native.fgetxattr(fd, 'user.empty')).toEqual(refused('fgetxattr', 'ENODATA'));
    expect(native.fremovexattr(fd, 'user.empty')).toEqual(refused('fremovexattr', 'ENODATA'));
  });

  test('of a name are the link’s own where it is a link', () => {
    expect(native.setxattrat(dir, 'link', 'trusted.own', value)).toBe(0);
    expect(native.getxattrat(dir, 'link', 'trusted.own')).toEqual(value);
    expect(native.listxattrat(dir, 'link')).toEqual(expect.arrayContaining(['trusted.own']));
    expect(native.fgetxattr(open('outside/victim'), 'trusted.own')).toEqual(refused('fgetxattr', 'ENODATA'));
    expect(native.setxattrat(dir, 'link', 'user.own', value)).toEqual(refused('lsetxattr', 'EPERM'));
    expect(native.removexattrat(dir, 'link', 'trusted.own')).toBe(0);
    expect(native.getxattrat(dir, 'link', 'trusted.own')).toEqual(refused('lgetxattr', 'ENODATA'));
  });

  test('of a name stay with the folder that was opened, whatever its name is now', () => {
    const sub = open('sub');
    writeFileSync(at('sub/file'), '');
    native.renameat2(dir, 'sub', dir, 'moved', 0);
    native.renameat2(dir, 'folder-link', dir, 'sub', 0);
    writeFileSync(at('outside/file'), '');
    expect(native.setxattrat(sub, 'file', 'trusted.x', value)).toBe(0);
    expect(native.fgetxattr(open('moved/file'), 'trusted.x')).toEqual(value);
    expect(native.fgetxattr(open('outside/file'), 'trusted.x')).toEqual(refused('fgetxattr', 'ENODATA'));
  });

  test('may be long, and many', () => {
    const fd = open('file', 'r+');
    const long = Buffer.alloc(2000, 'x');
    expect(native.fsetxattr(fd, 'trusted.long', long)).toBe(0);
    expect(native.fgetxattr(fd, 'trusted.long')).toEqual(long);
    const names = Array.from({ length: 20 }, (_, n) => `trusted.many-${n.toString().padStart(30, '0')}`);
    for (const name of names) expect(native.fsetxattr(fd, name, Buffer.alloc(0))).toBe(0);
    expect(ok(native.flistxattr(fd))).toEqual(expect.arrayContaining(names));
  });

  test('that are none are refused', () => {
    expect(native.fsetxattr(open('file'), 'nonsense', value)).toEqual(refused('fsetxattr', 'EOPNOTSUPP'));
    expect(native.fsetxattr(open('file'), 'security.capability', value)).toEqual(
      refused('fsetxattr', 'EINVAL'),
    );
  });
});

describe('places in a file', () => {
  test('are written to, cut and found', () => {
    const fd = open('sparse', 'w+');
    expect(native.ftruncate(fd, 1 << 20)).toBe(0);
    expect(native.seekData(fd, 0)).toBe(-1);
    expect(native.seekHole(fd, 0)).toBe(0);
    expect(native.pwrite(fd, Buffer.from('here'), 512 * 1024)).toBe(4);
    expect(native.seekData(fd, 0)).toBe(512 * 1024);
    expect(native.seekHole(fd, 512 * 1024)).toBe(512 * 1024 + 4096);
    expect(native.seekData(fd, 600 * 1024)).toBe(-1);
    expect(native.seekHole(fd, 2 << 20)).toBe(-1);
    expect(readFileSync(at('sparse')).indexOf('here')).toBe(512 * 1024);
    expect(native.ftruncate(fd, 3)).toBe(0);
    expect(statSync(at('sparse')).size).toBe(3);
  });

  test('are refused where there is none', () => {
    expect(native.pwrite(open('file'), Buffer.from('x'), 0)).toEqual(refused('pwrite64', 'EBADF'));
    expect(native.ftruncate(dir, 0)).toMatchObject({ errno: errno.EINVAL });
    expect(() => native.pwrite(dir, Buffer.from('x'), -1)).toThrow(TypeError);
    const full = openSync('/dev/full', 'w');
    opened.push(full);
    expect(native.pwrite(full, Buffer.from('x'), 0)).toEqual(refused('pwrite64', 'ENOSPC'));
  });
});

describe('a sparing port', () => {
  test('records the first calls with its master, and no more; what is refused says all the same', () => {
    const sys = new Kernel();
    const few = sys.sparing(3);
    for (let n = 0; n < 10; n += 1) few.fstatat(dir, 'file');
    expect(() => few.fstatat(dir, 'nobody')).toThrow(
      /newfstatat\(\d+, "nobody", AT_SYMLINK_NOFOLLOW\): ENOENT/,
    );
    sys.exists(folder);
    const { calls, more } = sys.takenOf();
    expect(calls.map(({ call }) => call)).toEqual([...['newfstatat', 'newfstatat', 'newfstatat', 'access']]);
    expect(more).toBe(8);
    expect(few.taken()).toEqual([]);
  });

  test('answers undefined for what is not there', () => {
    const sys = new Kernel();
    expect(sys.fstatatIfThere(dir, 'nobody')).toBeUndefined();
    expect(sys.fgetxattr(dir, 'user.nothing')).toBeUndefined();
    expect(() => sys.fgetxattr(-1, 'user.nothing')).toThrow('EBADF');
  });

  test('exchanges two names', () => {
    new Kernel().renameat2(dir, 'file', dir, 'link', 2);
    expect(readFileSync(at('link'), 'utf8')).toBe('content');
  });
});
