/**
 * Layers whose content names them: `overlay/<chain id>/{diff,link,diff-id,size,tar-split.gz}`. A layer comes in as a tar
 * stream, is verified while it is unpacked, and goes out again as the same bytes. A folder that has the chain id's name may
 * also have a `link` alone, which leads to a layer of the same content (of `base`) that bears another name.
 */
import { basename, join } from 'node:path';
import type { Budgets } from '../archive/budgets.ts';
import { decompressed } from '../archive/decompress.ts';
import { pack } from '../archive/pack.ts';
import { rejoin, SplitWriter } from '../archive/split.ts';
import { unpack } from '../archive/unpack.ts';
import { TsDockError } from '../engine/failure.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import { sha256 } from '../kernel/hash.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import { chainIds } from './image-config.ts';
import { badImage } from './images.ts';
import { adoptLayer, diffOf, layerFolder, layerOf } from './layers.ts';
import { LowerFiles } from './lower-files.ts';
import type { Place } from './place.ts';
import { isDigest } from './reference.ts';
import { isId, makeDir, readCapped, shortId } from './store.ts';

export interface LayerRequest {
  /** Where it is unpacked first: a folder of the caller's run beneath `work`, which its compensation removes. Made if need be. */
  readonly scratch: string;
  /** The layers below it, the lowest first, by their folders' names (`layersOf`) or their chain ids. */
  readonly below: readonly string[];
  /** `sha256:<hex>` that its plain tar must have; undefined: it is being made here. */
  readonly diffId: string | undefined;
  /** The archive, still compressed or not. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly budgets: Budgets;
  /** Whose layer it is, for errors: a file, an entry, a digest. */
  readonly what: string;
  /** Told its chain id before it gets its place among the layers, where only that can name it in a compensation. */
  readonly ready?: (chainId: string) => void;
}

export interface Layer {
  /** 64 hex digits. */
  readonly chainId: string;
  readonly diffId: string;
  /** Bytes in regular files. */
  readonly size: number;
  /** Its folder's name beneath `overlay`, where that is not its chain id. */
  readonly folder?: string;
}

/** A whole layer of this chain id is there. */
export const hasLayer = (sys: Kernel, place: Place, chainId: string): boolean =>
  findLayer(sys, place, chainId) !== undefined;

/** What is known of a layer that is there and whole; undefined where it is not. */
export function findLayer(sys: Kernel, place: Place, chainId: string): Layer | undefined {
  if (!isId(chainId)) return undefined;
  try {
    const folder = layerOf(sys, place, chainId);
    const diffId = recorded(sys, place, folder, 'diff-id');
    if (!isDigest(diffId) || !sys.exists(diffOf(place, folder))) return undefined;
    const size = Number(recorded(sys, place, folder, 'size') ?? 0);
    return {
      chainId,
      diffId,
      size: Number.isSafeInteger(size) && size >= 0 ? size : 0,
      ...(folder === chainId ? {} : { folder }),
    };
  } catch (error) {
    if (error instanceof TsDockError) return undefined;
    throw error;
  }
}

const MOST_RECORD = 128;
const recorded = (sys: Kernel, place: Place, folder: string, name: string): string | undefined =>
  readCapped(sys, join(layerFolder(place, folder), name), MOST_RECORD)?.trim();

/** Unpacks, verifies, and renames into its place; one that is there already stays as it is. Its scratch is empty afterwards. */
export async function makeLayer(sys: Kernel, place: Place, request: LayerRequest): Promise<Layer> {
  const staged = roomIn(sys, place, request.scratch);
  try {
    const { diffId, size } = await unpackInto(sys, place, staged, request);
    const below = await Promise.all(request.below.map((layer) => diffIdOf(sys, place, layer)));
    const chainId = chainIds([...below, diffId]).at(-1) ?? '';
    sys.writeFile(join(staged, 'diff-id'), diffId);
    sys.writeFile(join(staged, 'size'), size.toString());
    request.ready?.(chainId);
    adoptLayer(sys, place, chainId, staged);
    // A folder that lost its content is in the way of a whole one.
    if (!hasLayer(sys, place, chainId)) {
      sys.rename(layerFolder(place, chainId), `${staged}-lost`);
      adoptLayer(sys, place, chainId, staged);
    }
    return { chainId, diffId, size };
  } finally {
    for (const folder of [staged, `${staged}-lost`]) removeFolder(sys, request.scratch, basename(folder));
  }
}

/** Layers of one image are unpacked side by side: each in a folder of its own. */
function roomIn(sys: Kernel, place: Place, scratch: string): string {
  sys.ensureDir(place.work, 0o700);
  sys.ensureDir(scratch, 0o700);
  for (let n = 0; ; n += 1) {
    const folder = join(scratch, n.toString());
    if (sys.ensureDir(folder, 0o700)) return folder;
  }
}

async function unpackInto(
  sys: Kernel,
  place: Place,
  staged: string,
  { below, diffId: wanted, source, budgets, what }: LayerRequest,
): Promise<Pick<Layer, 'diffId' | 'size'>> {
  const diff = join(staged, 'diff');
  makeDir(sys, diff, 0o755);
  sys.chown(diff, 0, 0);
  const folder = openFolder(sys, diff);
  const split = new SplitWriter(sys, join(staged, 'tar-split.gz'));
  const hash = sha256();
  try {
    const tar = hashed(decompressed(source, budgets, what), hash);
    const lowerFiles = new LowerFiles(
      sys,
      place,
      below.map((layer) => folderOf(sys, place, layer)),
    );
    const lower = (path: string): number | undefined => lowerFiles.open(path);
    const options = { budgets, manner: 'layer', split, lower, what } as const;
    const { size } = await unpack(sys, folder, tar, options);
    await split.end();
    const diffId = `sha256:${hash.digest('hex')}`;
    if (wanted !== undefined && diffId !== wanted) throw otherDigest(what, wanted, diffId);
    return { diffId, size };
  } finally {
    split.close();
    sys.close(folder);
  }
}

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof sha256>,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    hash.update(bytes);
    yield bytes;
  }
}

function otherDigest(what: string, wanted: string, found: string): TsDockError {
  return new TsDockError('bad-archive', `cannot use ${what}: its digest is ${found}, not ${wanted}`, {
    means: 'It is damaged, or not the layer that the image was made with. Nothing of it was kept.',
    remedy: 'Fetch it, or have it made, once more.',
  });
}

/** The plain tar of a layer of any kind (also of the base image): its own bytes where it has a tar-split, else made anew. */
export async function* layerTar(sys: Kernel, place: Place, layer: string): AsyncGenerator<Uint8Array> {
  const name = folderOf(sys, place, layer);
  const split = join(layerFolder(place, name), 'tar-split.gz');
  const folder = openFolder(sys, diffOf(place, name));
  try {
    if (sys.exists(split)) yield* rejoin(sys, split, folder);
    else yield* pack(sys, folder, { manner: 'layer' });
  } finally {
    sys.close(folder);
  }
}

/** A chain id may be that of a layer that lies elsewhere. */
function folderOf(sys: Kernel, place: Place, layer: string): string {
  if (!isId(layer)) throw badImage(layer, 'a layer’s name has 64 hexadecimal digits');
  return sys.exists(diffOf(place, layer)) ? layer : layerOf(sys, place, layer);
}

/** `sha256:<hex>` of that tar; remembered in the layer's `diff-id`. */
export async function diffIdOf(sys: Kernel, place: Place, layer: string): Promise<string> {
  const name = folderOf(sys, place, layer);
  const known = recorded(sys, place, name, 'diff-id');
  if (isDigest(known)) return known;
  const hash = sha256();
  for await (const bytes of layerTar(sys, place, name)) hash.update(bytes);
  const diffId = `sha256:${hash.digest('hex')}`;
  const file = join(layerFolder(place, name), 'diff-id');
  // Two may find it out at once: each has a file of its own to rename.
  const own = `${file}.${randomHex(4)}`;
  sys.writeFile(own, diffId);
  sys.rename(own, file);
  return diffId;
}

function openFolder(sys: Kernel, path: string): number {
  return sys.openat2(AT_FDCWD, path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0, 0);
}

export function removeFolder(sys: Kernel, parent: string, name: string): void {
  if (!sys.exists(join(parent, name))) return;
  const fd = openFolder(sys, parent);
  try {
    sys.removeTree(fd, name);
  } finally {
    sys.close(fd);
  }
}

/** The layers of an image as an image that is built on it would name them. @param folders - as `layersOf` gives them. */
export async function describeLayers(
  sys: Kernel,
  place: Place,
  folders: readonly string[],
): Promise<Layer[]> {
  const diffIds: string[] = [];
  for (const folder of folders) diffIds.push(await diffIdOf(sys, place, folder));
  const chains = chainIds(diffIds);
  return folders.map((folder, i) => {
    const [chainId = '', diffId = ''] = [chains[i], diffIds[i]];
    if (!isId(chainId)) throw new Error(`${shortId(folder)} has no chain id`);
    return { chainId, diffId, size: sizeOf(sys, place, folder), ...(folder === chainId ? {} : { folder }) };
  });
}

function sizeOf(sys: Kernel, place: Place, folder: string): number {
  const text =
    recorded(sys, place, folder, 'size') ?? readCapped(sys, join(place.graph, folder, 'layersize'), 64);
  const size = Number(text ?? 0);
  return Number.isSafeInteger(size) && size >= 0 ? size : 0;
}
