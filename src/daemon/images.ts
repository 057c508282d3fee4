/**
 * Images: `graph/<id>/{json,layersize}`, and the chain of parents. Their JSON may come from anybody. What an image may say
 * about the container is a list of keys here; there is no key that could reach the host (CVE-2014-6408).
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Config, Image } from './model.ts';
import type { Place } from './place.ts';
import { isId, readCapped, scratchFolder, shortId } from './store.ts';

/** Far above any real image, far below what would hurt (CVE-2023-25153: a manifest was read whole). */
export const MAX_JSON = 4 * 1024 * 1024;

/** Docker 1.2.0's limit, the number of branches that its aufs could mount. */
export const MAX_IMAGE_DEPTH = 127;
/** The init layer and the read-write layer of the container to be. */
const OWN_LAYERS = 2;

/** 124 layers pass, 125 do not: Docker's comparison refuses equality as well. */
export const tooDeep = (layers: number): boolean => layers + OWN_LAYERS >= MAX_IMAGE_DEPTH;

export function readImage(sys: Kernel, place: Place, id: string): Image {
  if (!isId(id)) throw badImage(id, 'an image id has 64 hexadecimal digits');
  const folder = join(place.graph, id);
  const text = readCapped(sys, join(folder, 'json'), MAX_JSON);
  if (text === undefined) {
    throw new TsDockError(
      'no-such-image',
      `cannot find image ${shortId(id)}: there is no ${join(folder, 'json')}`,
    );
  }
  const image = parseImage(id, text);
  const size = Number(readCapped(sys, join(folder, 'layersize'), 64) ?? 'NaN');
  return Number.isSafeInteger(size) && size >= 0 ? { ...image, Size: size } : image;
}

/** Checks an image's JSON and takes from it what it may say. */
export function parseImage(id: string, text: string): Image {
  const json = fields('the file', attempt(id, text), (why) => badImage(id, why));
  if (json['id'] !== id) throw badImage(id, 'it says that it is another image');
  const parent = json['parent'] ?? '';
  if (parent !== '' && !isId(parent)) throw badImage(id, 'its parent is not an image id');
  const words = {
    ...word(json, 'comment'),
    ...word(json, 'author'),
    ...word(json, 'architecture'),
    ...word(json, 'os'),
  };
  return {
    id,
    ...(parent === '' ? {} : { parent }),
    ...words,
    created: word(json, 'created').created ?? '',
    ...(json['config'] === undefined || json['config'] === null
      ? {}
      : { config: imageConfig(json['config'], (why) => badImage(id, why)) }),
    Size:
      typeof json['Size'] === 'number' && Number.isSafeInteger(json['Size']) && json['Size'] >= 0
        ? json['Size']
        : 0,
  };
}

function attempt(id: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badImage(id, 'its JSON cannot be read', cause);
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export function fields(what: string, value: unknown, bad: (why: string) => Error): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(`${what} must be an object`);
  return value as Fields;
}

function word<K extends string>(json: Fields, key: K): Partial<Record<K, string>> {
  const value = json[key];
  return typeof value === 'string' && value !== '' ? ({ [key]: value } as Record<K, string>) : {};
}

type Reader = (value: unknown) => unknown;

// A NUL would end a string for the kernel: what was checked would not be what is used.
export const isText = (value: unknown): value is string => typeof value === 'string' && !value.includes('\0');
const text: Reader = (value) => (isText(value) ? value : undefined);
const texts: Reader = (value) => (Array.isArray(value) && value.every(isText) ? value : undefined);
const count: Reader = (value) => (Number.isSafeInteger(value) ? value : undefined);
const environment: Reader = (value) =>
  Array.isArray(value) && value.every((entry) => isText(entry) && entry.indexOf('=') > 0) ? value : undefined;
const keys: Reader = (value) =>
  typeof value === 'object' && value !== null && Object.keys(value).every(isText)
    ? Object.fromEntries(Object.keys(value).map((key) => [key, {}]))
    : undefined;

/** Whatever else an image says about itself is dropped here, unread. */
const ALLOWED: Readonly<Partial<Record<keyof Config, Reader>>> = {
  User: text,
  Memory: count,
  MemorySwap: count,
  CpuShares: count,
  ExposedPorts: keys,
  Env: environment,
  Cmd: texts,
  Volumes: keys,
  WorkingDir: text,
  Entrypoint: texts,
  StopSignal: text,
};

/** What an image may say about its containers. @param bad - makes the error of a value that is not what it must be. */
export function imageConfig(value: unknown, bad: (why: string) => Error): Partial<Config> {
  const json = fields('config', value, bad);
  const config: [string, unknown][] = [];
  for (const [key, read] of Object.entries(ALLOWED)) {
    const given = json[key];
    if (given === undefined || given === null) continue;
    const checked = read(given);
    if (checked === undefined) throw bad(`config.${key} is not what it must be`);
    config.push([key, checked]);
  }
  return Object.fromEntries(config);
}

export function badImage(id: string, why: string, cause?: unknown): TsDockError {
  return new TsDockError('bad-image', `cannot use image ${JSON.stringify(id.slice(0, 12))}: ${why}`, {
    means: 'Its files in the graph folder are damaged, or were never right.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The ids from an image down to its base. Ends at `most` + 1, so that a circle or a million parents cost nothing. */
export function ancestryOf(sys: Kernel, place: Place, image: Image, most = MAX_IMAGE_DEPTH): string[] {
  const ids = [image.id];
  for (let { parent } = image; parent !== undefined && ids.length <= most;) {
    if (ids.includes(parent)) throw badImage(image.id, `${shortId(parent)} is its own ancestor`);
    ids.push(parent);
    ({ parent } = readImage(sys, place, parent));
  }
  return ids;
}

export function imageIds(sys: Kernel, place: Place): string[] {
  return sys.readdirPath(place.graph).filter(isId).sort();
}

/** Writes an image down: staged, fsynced, renamed. An image that is there already is left as it is. */
export function storeImage(sys: Kernel, place: Place, image: Image): void {
  const folder = scratchFolder(sys, place, `graph-${image.id}`);
  sys.replaceFile(join(folder, 'json'), JSON.stringify(image));
  sys.replaceFile(join(folder, 'layersize'), image.Size.toString());
  try {
    sys.rename(folder, join(place.graph, image.id));
  } catch (error) {
    if (!refusedWith(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}
