/** A folder to unpack into, and what lies in it afterwards, for comparison: all that stat, readlink, xattrs and content say. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
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

/** A temporary folder, removed by `done`. */
export function scratch(name: string): { readonly path: string; done(): void } {
  const path = mkdtempSync(join(tmpdir(), `${name}-`));
  return { path, done: () => rmSync(path, { recursive: true, force: true }) };
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
  const tar = Buffer.isBuffer(what) ? pieces(what) : Array.isArray(what) ? pieces(tarOf(...what)) : what;
  return withFolder(path, (fd) =>
    unpack(sys, fd, tar as AsyncIterable<Uint8Array>, {
      manner: 'layer',
      ...options,
      budgets: { ...DEFAULT_BUDGETS, ...budgets },
    }),
  );
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
  const content = {
    file: () => createHash('sha256').update(readFileSync(path)).digest('hex'),
    symlink: () => readlinkSync(path),
    character: () => device(stats.rdev),
    block: () => device(stats.rdev),
  }[kind]?.();
  return {
    kind,
    mode: (stats.mode & 0o7777n).toString(8),
    owner: `${stats.uid.toString()}:${stats.gid.toString()}`,
    mtime: stats.mtimeNs,
    content: content ?? '',
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
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(names.map((name) => [name, nodeAt(join(path, name))]));
}

/** The same in lines, without inodes: two folders with the same lines are the same tree. Times of directories optional. */
export function lines(path: string): string[] {
  const first = new Map<bigint, string>();
  return [...treeOf(path)].map(([name, node]) => {
    const known = node.kind === 'directory' ? undefined : first.get(node.ino);
    if (known === undefined) first.set(node.ino, name);
    const { kind, mode, owner, mtime, content, xattrs } = node;
    return [name, kind, mode, owner, mtime, content, JSON.stringify(xattrs), known ?? ''].join(' | ');
  });
}
