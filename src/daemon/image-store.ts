/**
 * Images from the world, in Docker 1.2.0's shape: `graph/<id>/{json,layersize}` and a chain of parents, down to the lowest
 * layer. The top has the id that Docker knows it by (the digest of its configuration), and beside its json the very bytes of
 * that configuration (`graph/<id>/config`). The images below it are nameless: their ids are the chain ids of their layers.
 * `overlay/<id>/link` of the top leads to the layer, which bears its chain id and may be shared.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { sha256 } from '../kernel/hash.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import {
  chainIds,
  imageConfigText,
  parseImageConfig,
  type HistoryEntry,
  type ImageConfig,
} from './image-config.ts';
import { ancestryOf, badImage, MAX_JSON, parseImage, readImage } from './images.ts';
import { diffIdOf, removeFolder, type Layer } from './layer-store.ts';
import { adoptLayer, diffOf, layerFolder, layerOf, putFolder, shortNameOf } from './layers.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { makeDir, readCapped, shortId } from './store.ts';

/** Of one image. What has more than Docker's limit can be kept and passed on, but not run. */
const MOST_LAYERS = 1000;

/** The chain id of no layers: the digest of nothing. An image without layers still needs one to be mounted. */
export const NO_LAYERS = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** The conventional time of what does not say when it was made. */
const NO_TIME = '1970-01-01T00:00:00Z';

function sha256Of(text: string): string {
  return sha256().update(text).digest('hex');
}

/**
 * Registers an image whose layers are all there. Needs no lock; what is there already stays. The top comes last: killed
 * before it, there is no such image, and the next attempt finds the layers there.
 *
 * @param layers - the lowest first, as `makeLayer`, `findLayer` or `describeLayers` gave them
 * @param scratch - a folder of the caller's run beneath `work`, which its compensation removes; without one, what a kill
 *   leaves of the work is removed by the next `rmi`
 */
export function registerImage(
  sys: Kernel,
  place: Place,
  configText: string,
  layers: readonly Layer[],
  scratch?: string,
): Image {
  const id = sha256Of(configText);
  const config = parseImageConfig(`the configuration of image ${shortId(id)}`, configText);
  const chains = chainIds(layers.map(({ diffId }) => diffId));
  checkLayers(id, config, layers, chains);
  const created = config.created === '' ? NO_TIME : config.created;
  const history = historyOfLayers(config.history, layers.length);
  const images = layers.map((layer, i): Image => {
    const { created_by, comment, author, created: made } = history[i] ?? {};
    const words = [created_by, comment].filter((text) => text !== undefined && text !== '').join(' ');
    return {
      id: layer.chainId,
      ...parentOf(chains, i),
      ...(words === '' ? {} : { comment: words }),
      created: made ?? created,
      ...(author === undefined ? {} : { author }),
      os: config.os,
      Size: layer.size,
    };
  });
  const { author, architecture, os } = config;
  const { parent, comment, Size = 0 } = images.at(-1) ?? {};
  const top: Image = {
    id,
    ...(parent === undefined ? {} : { parent }),
    ...(comment === undefined ? {} : { comment }),
    created,
    ...(author === undefined ? {} : { author }),
    config: config.config,
    architecture,
    os,
    Size,
  };
  sys.ensureDir(place.work, 0o700);
  if (scratch !== undefined) sys.ensureDir(scratch, 0o700);
  const room = scratch ?? place.work;
  const name = `image-${randomHex(8)}`;
  const staging = join(room, name);
  sys.mkdir(staging, 0o700);
  try {
    const folders = layers.map(({ chainId, folder }) => folder ?? chainId);
    if (layers.length === 0) folders.push(emptyLayer(sys, place, staging));
    images.slice(0, -1).forEach((image, i) => {
      putImage(sys, place, staging, image, folders[i] ?? '');
    });
    putImage(sys, place, staging, top, folders.at(-1) ?? '', configText);
  } finally {
    removeFolder(sys, room, name);
  }
  return readImage(sys, place, id);
}

const parentOf = (chains: readonly string[], i: number): Pick<Image, 'parent'> => {
  const parent = chains[i - 1];
  return parent === undefined ? {} : { parent };
};

function checkLayers(
  id: string,
  { diffIds }: ImageConfig,
  layers: readonly Layer[],
  chains: readonly string[],
): void {
  if (layers.length > MOST_LAYERS)
    throw new TsDockError(
      'too-many-layers',
      `cannot keep image ${shortId(id)}: it has ${layers.length} layers`,
      {
        means: `An image has at most ${MOST_LAYERS}.`,
      },
    );
  const same =
    diffIds.length === layers.length &&
    layers.every(({ diffId, chainId }, i) => diffId === diffIds[i] && chainId === chains[i]);
  if (!same) throw badImage(id, 'its layers are not those that its configuration names');
}

/** The entries that a layer belongs to; none where they are not as many as there are layers. */
function historyOfLayers(history: readonly HistoryEntry[], layers: number): readonly HistoryEntry[] {
  const made = history.filter(({ empty_layer }) => empty_layer !== true);
  return made.length === layers ? made : [];
}

function emptyLayer(sys: Kernel, place: Place, staging: string): string {
  if (!isThere(sys, place, NO_LAYERS)) {
    const staged = join(staging, 'empty');
    sys.mkdir(staged, 0o700);
    makeDir(sys, join(staged, 'diff'), 0o755);
    sys.chown(join(staged, 'diff'), 0, 0);
    adoptLayer(sys, place, NO_LAYERS, staged);
  }
  return NO_LAYERS;
}

function isThere(sys: Kernel, place: Place, id: string): boolean {
  try {
    return sys.exists(diffOf(place, layerOf(sys, place, id)));
  } catch (error) {
    if (error instanceof TsDockError) return false;
    throw error;
  }
}

/** Leaves one that is whole as it is. What a damaged one lacks or has wrong is put right, file by file. */
function putImage(
  sys: Kernel,
  place: Place,
  staging: string,
  image: Image,
  layer: string,
  config?: string,
): void {
  const text = JSON.stringify(image);
  if (Buffer.byteLength(text) > MAX_JSON) throw badImage(image.id, 'what it says of itself is too long');
  // What could not be read again must not be written down.
  parseImage(image.id, text);
  linkImage(sys, place, staging, image.id, layer, config !== undefined);
  if (isWhole(sys, place, image, config)) return;
  const staged = join(staging, `graph-${image.id}`);
  sys.mkdir(staged, 0o700);
  sys.replaceFile(join(staged, 'layersize'), image.Size.toString());
  if (config !== undefined) sys.replaceFile(join(staged, 'config'), config);
  sys.replaceFile(join(staged, 'json'), text);
  const target = join(place.graph, image.id);
  putFolder(sys, staged, target, []);
  if (isWhole(sys, place, image, config)) return;
  // Its json last: with it the image is there.
  for (const name of ['layersize', ...(config === undefined ? [] : ['config']), 'json'])
    sys.rename(join(staged, name), join(target, name));
}

function isWhole(sys: Kernel, place: Place, image: Image, config: string | undefined): boolean {
  try {
    const found = readImage(sys, place, image.id);
    return (
      found.parent === image.parent &&
      readCapped(sys, join(place.graph, image.id, 'layersize'), 64) !== undefined &&
      (config === undefined || readCapped(sys, join(place.graph, image.id, 'config'), MAX_JSON) === config)
    );
  } catch (error) {
    if (error instanceof TsDockError) return false;
    throw error;
  }
}

/** `overlay/<id>/link` leads to the layer; a folder of this name that is a layer itself has the same content. */
function linkImage(
  sys: Kernel,
  place: Place,
  staging: string,
  id: string,
  layer: string,
  isTop: boolean,
): void {
  if (!isThere(sys, place, layer)) throw badImage(id, `its layer ${shortId(layer)} is not there`);
  if (isThere(sys, place, id) && layerOf(sys, place, id) === layerOf(sys, place, layer)) return;
  if (sys.exists(diffOf(place, id))) {
    // Somebody's archive whose bytes are also a configuration: its content must not become that of the image.
    if (isTop) throw badImage(id, 'a layer has the same id');
    return;
  }
  const staged = join(staging, `overlay-${id}`);
  const link = join(layerFolder(place, id), 'link');
  const short = shortNameOf(sys, place, layer);
  sys.mkdir(staged, 0o700);
  sys.replaceFileLoosely(join(staged, 'link'), short);
  putFolder(sys, staged, layerFolder(place, id), ['link']);
  if (sys.readIfThere(link) !== short) sys.rename(join(staged, 'link'), link);
}

/**
 * The configuration and its bytes, of any image: those that it came with, or, of one that was made by an older ts-dock or
 * is `base`, made from its chain. Its diff ids are those of `layersOf`.
 */
export async function imageConfigOf(
  sys: Kernel,
  place: Place,
  image: Image,
): Promise<{ readonly text: string; readonly config: ImageConfig }> {
  const what = `the configuration of image ${shortId(image.id)}`;
  const kept = readCapped(sys, join(place.graph, image.id, 'config'), MAX_JSON);
  if (kept !== undefined) {
    if (sha256Of(kept) !== image.id)
      throw badImage(image.id, 'its configuration is not the one that its id is the digest of');
    return { text: kept, config: parseImageConfig(what, kept) };
  }
  const diffIds: string[] = [];
  for (const layer of layersOf(sys, place, image)) diffIds.push(await diffIdOf(sys, place, layer));
  const chain = ancestryOf(sys, place, image, MOST_LAYERS).reverse();
  const history = chain.map((id): HistoryEntry => {
    const { created, comment = '', author } = readImage(sys, place, id);
    return {
      created: created === '' ? NO_TIME : created,
      created_by: comment,
      ...(author === undefined ? {} : { author }),
    };
  });
  const { author } = image;
  const config: ImageConfig = {
    architecture: image.architecture ?? ARCHITECTURE,
    os: image.os ?? 'linux',
    created: image.created === '' ? NO_TIME : image.created,
    ...(author === undefined ? {} : { author }),
    config: image.config ?? {},
    diffIds,
    history: diffIds.length === 0 ? [] : history,
  };
  return { text: imageConfigText(config), config };
}

/** This machine's, in the words of Go, as images say it. */
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** The folders' names beneath `overlay` of an image's layers, the lowest first: what `layerTar` takes. */
export function layersOf(sys: Kernel, place: Place, image: Image): string[] {
  return ancestryOf(sys, place, image, MOST_LAYERS)
    .reverse()
    .map((id) => layerOf(sys, place, id))
    .filter((layer) => layer !== NO_LAYERS);
}
