/** A folder to unpack into, and what lies in it afterwards, for comparison: all that stat, readlink, xattrs and content say. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type BigIntStats,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { DEFAULT_BUDGETS, type Budgets } from '../../src/archive/budgets.ts';
import { pack, type PackOptions } from '../../src/archive/pack.ts';
import { unpack, type UnpackOptions, type Unpacked } from '../../src/archive/unpack.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { pieces, tarOf, type Member } from './rig-tar.ts';

export const sys = new Kernel();

/** In memory, where the machine has that: for tests of thousands of small files. */
export const FAST = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A temporary folder, removed by `done`. */
export function scratch(name: string, within = tmpdir()): { readonly path: string; done(): void } {
  const path = mkdtempSync(join(within, `${name}-`));
  const done = (): void => {
    // Node's own removal has no stack for what is a thousand folders deep.
    const parent = openSync(dirname(path), 'r');
    try {
      sys.removeTree(parent, basename(path));
    } finally {
      closeSync(parent);
    }
  };
  return { path, done };
}

export function withFolder<T>(path: string, act: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, 'r');
  return act(fd).finally(() => closeSync(fd));
}

export type Options = Partial<Omit<UnpackOptions, 'budgets'>> & { readonly budgets?: Partial<Budgets> };

/** Unpacks members (or an archive as it is) into a folder that exists. */
export function unpackInto(
  path: string,
  what: readonly (Member | Buffer)[] | Buffer | AsyncIterable<Uint8Array>,
  { budgets, ...options }: Options = {},
): Promise<Unpacked> {
  return withFolder(path, (fd) =>
    unpack(sys, fd, streamOf(what), {
      manner: 'layer',
      ...options,
      budgets: { ...DEFAULT_BUDGETS, ...budgets },
    }),
  );
}

function streamOf(
  what: readonly (Member | Buffer)[] | Buffer | AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  if (Buffer.isBuffer(what)) return pieces(what);
  return Symbol.asyncIterator in what ? what : pieces(tarOf(...what));
}

export function packed(path: string, options: Partial<PackOptions> = {}): Promise<Buffer> {
  return withFolder(path, async (fd) => {
    const all: Uint8Array[] = [];
    for await (const piece of pack(sys, fd, { manner: 'layer', ...options })) all.push(piece);
    return Buffer.concat(all);
  });
}

export interface Node {
  readonly kind: string;
  /** Octal. */
  readonly mode: string;
  readonly owner: string;
  readonly mtime: bigint;
  /** Of a file: sha256; of a link its target; of a device its number. */
  readonly content: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly ino: bigint;
  readonly nlink: bigint;
  readonly size: bigint;
}

const KINDS: readonly (readonly [string, (stats: BigIntStats) => boolean])[] = [
  ['file', (stats) => stats.isFile()],
  ['directory', (stats) => stats.isDirectory()],
  ['symlink', (stats) => stats.isSymbolicLink()],
  ['character', (stats) => stats.isCharacterDevice()],
  ['block', (stats) => stats.isBlockDevice()],
  ['fifo', (stats) => stats.isFIFO()],
  ['socket', (stats) => stats.isSocket()],
];

export function nodeAt(path: string): Node {
  const stats = lstatSync(path, { bigint: true });
  const kind = KINDS.find(([, is]) => is(stats))?.[0] ?? 'unknown';
  const contents: Readonly<Record<string, () => string>> = {
    file: () => createHash('sha256').update(readFileSync(path)).digest('hex'),
    symlink: () => readlinkSync(path),
    character: () => device(stats.rdev),
    block: () => device(stats.rdev),
  };
  return {
    kind,
    mode: (stats.mode & 0o7777n).toString(8),
    owner: `${stats.uid.toString()}:${stats.gid.toString()}`,
    mtime: stats.mtimeNs,
    content: contents[kind]?.() ?? '',
    xattrs: xattrsAt(path),
    ino: stats.ino,
    nlink: stats.nlink,
    size: stats.size,
  };
}

const device = (rdev: bigint): string => `${((rdev >> 8n) & 0xfffn).toString()}:${(rdev & 0xffn).toString()}`;

function xattrsAt(path: string): Record<string, string> {
  const fd = openSync(dirname(path), 'r');
  try {
    const name = basename(path);
    return Object.fromEntries(
      sys
        .listxattrat(fd, name)
        .filter((attribute) => attribute !== 'security.selinux')
        .sort()
        .map((attribute) => [attribute, sys.getxattrat(fd, name, attribute)?.toString('latin1') ?? '']),
    );
  } finally {
    closeSync(fd);
  }
}

/** All that lies in a folder, by relative name. */
export function treeOf(path: string): Map<string, Node> {
  return new Map(namesIn(path).map((name) => [name, nodeAt(join(path, name))]));
}

/** Relative names of all that lies in a folder, in order. Node's own recursive listing follows links. */
export function namesIn(path: string): string[] {
  const names: string[] = [];
  for (const waiting = ['']; waiting.length > 0;) {
    const folder = waiting.pop() ?? '';
    for (const entry of readdirSync(join(path, folder), { withFileTypes: true })) {
      names.push(join(folder, entry.name));
      if (entry.isDirectory()) waiting.push(join(folder, entry.name));
    }
  }
  return names.sort();
}

/** The same in lines, without inodes: two folders with the same lines are the same tree. */
export function lines(path: string): string[] {
  const first = new Map<bigint, string>();
  return [...treeOf(path)].map(([name, node]) => {
    const known = node.kind === 'directory' ? undefined : first.get(node.ino);
    if (known === undefined) first.set(node.ino, name);
    const { kind, mode, owner, content, xattrs } = node;
    // Nobody ever sees a whiteout's time.
    const mtime = kind === 'character' && content === '0:0' ? 0n : node.mtime;
    return [name, kind, mode, owner, mtime, content, JSON.stringify(xattrs), known ?? ''].join(' | ');
  });
}
