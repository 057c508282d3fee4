/**
 * The configuration of an image as the world writes it (OCI image specification, config.md; Docker image specification
 * v1.2): parsed to what an image may say, and made for what is built here. An image's id is the digest of these bytes.
 */
import { TsDockError } from '../engine/failure.ts';
import { sha256 } from '../kernel/hash.ts';
import { fields, imageConfig, isText, type Fields } from './images.ts';
import type { Config } from './model.ts';

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** No layer belongs to it. */
  readonly empty_layer?: boolean;
}

/** What nothing here acts upon: kept, so that it is not lost where an image is made from another. */
export interface Carried {
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly Healthcheck?: Readonly<Record<string, number | readonly string[]>>;
}

export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  /** RFC 3339, or empty where the image does not say. */
  readonly created: string;
  readonly author?: string;
  readonly config: Partial<Config>;
  readonly carried?: Carried;
  /** `sha256:<64 hex>` of each layer's plain tar, the lowest first. */
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}

/** Far beyond what can be run (124), so that the right error is given to an image that is only too deep. */
const MOST_LAYERS = 1024;
const MOST_HISTORY = 4096;

type Bad = (why: string) => Error;

/** @param where - what the bytes are, for the error. @throws TsDockError `bad-image`. */
export function parseImageConfig(where: string, text: string): ImageConfig {
  const bad: Bad = (why) => badConfig(where, why);
  const json = fields('the configuration', parsed(where, text), bad);
  const config = present(json['config']);
  const carried = config === undefined ? {} : carriedOf(fields('config', config, bad), bad);
  return {
    architecture: required(json, 'architecture', bad),
    os: required(json, 'os', bad),
    ...optional(json, 'variant', bad),
    created: optional(json, 'created', bad).created ?? '',
    ...optional(json, 'author', bad),
    config: config === undefined ? {} : imageConfig(config, bad),
    ...(Object.keys(carried).length === 0 ? {} : { carried }),
    diffIds: diffIdsOf(json, bad),
    history: list(json['history'], 'history', MOST_HISTORY, bad).map((entry, n) => historyOf(entry, n, bad)),
  };
}

function parsed(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badConfig(where, 'it is not JSON', cause);
  }
}

function badConfig(where: string, why: string, cause?: unknown): TsDockError {
  return new TsDockError('bad-image', `cannot use ${where}: ${why}`, {
    means: 'It is no image configuration as Docker and OCI describe it.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Go writes null for what is not said. */
const present = (value: unknown): unknown => value ?? undefined;

function required(json: Fields, key: string, bad: Bad): string {
  const value = json[key];
  if (!isText(value) || value === '') throw bad(`${key} must be a word`);
  return value;
}

function optional<K extends string>(json: Fields, key: K, bad: Bad): Partial<Record<K, string>> {
  const value = present(json[key]);
  if (value === undefined || value === '') return {};
  if (!isText(value)) throw bad(`${key} must be text`);
  return { [key]: value } as Record<K, string>;
}

function list(value: unknown, what: string, most: number, bad: Bad): readonly unknown[] {
  const given = present(value) ?? [];
  if (!Array.isArray(given)) throw bad(`${what} must be a list`);
  if (given.length > most) throw bad(`${what} has ${given.length} entries (at most ${most})`);
  return given;
}

const isDigest = (value: unknown): value is string =>
  typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value);

function diffIdsOf(json: Fields, bad: Bad): string[] {
  const rootfs = fields('rootfs', json['rootfs'], bad);
  if (rootfs['type'] !== 'layers') throw bad('rootfs.type must be "layers"');
  return list(rootfs['diff_ids'], 'rootfs.diff_ids', MOST_LAYERS, bad).map((id, n) => {
    if (!isDigest(id)) throw bad(`rootfs.diff_ids[${n}] must be sha256: and 64 hexadecimal digits`);
    return id;
  });
}

function historyOf(value: unknown, n: number, bad: Bad): HistoryEntry {
  const what = `history[${n}]`;
  const entry = fields(what, value, bad);
  const within: Bad = (why) => bad(`${what}.${why}`);
  const empty = present(entry['empty_layer']) ?? false;
  if (typeof empty !== 'boolean') throw within('empty_layer must be true or false');
  return {
    ...optional(entry, 'created', within),
    ...optional(entry, 'created_by', within),
    ...optional(entry, 'author', within),
    ...optional(entry, 'comment', within),
    ...(empty ? { empty_layer: true } : {}),
  };
}

function carriedOf(config: Fields, bad: Bad): Carried {
  const words = (key: 'Shell' | 'OnBuild'): object => {
    const value = present(config[key]);
    if (value === undefined) return {};
    if (!Array.isArray(value) || !value.every(isText)) throw bad(`config.${key} must be a list of texts`);
    return { [key]: value };
  };
  return { ...labels(config, bad), ...words('Shell'), ...words('OnBuild'), ...healthcheck(config, bad) };
}

function labels(config: Fields, bad: Bad): Carried {
  const given = present(config['Labels']);
  if (given === undefined) return {};
  const entries = Object.entries(fields('config.Labels', given, bad)).map(([key, value]) => {
    if (!isText(key) || !isText(value)) throw bad('config.Labels must be texts');
    return [key, value] as const;
  });
  return { Labels: Object.fromEntries(entries) };
}

function healthcheck(config: Fields, bad: Bad): Carried {
  const given = present(config['Healthcheck']);
  if (given === undefined) return {};
  const json = fields('config.Healthcheck', given, bad);
  const kept: Record<string, number | readonly string[]> = {};
  const test = present(json['Test']);
  if (test !== undefined) {
    if (!Array.isArray(test) || !test.every(isText))
      throw bad('config.Healthcheck.Test must be a list of texts');
    kept['Test'] = test;
  }
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries']) {
    const value = present(json[key]);
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      throw bad(`config.Healthcheck.${key} must be a number`);
    kept[key] = value;
  }
  return { Healthcheck: kept };
}

/** The bytes of a configuration made here; the same values give the same bytes. */
export function imageConfigText(image: ImageConfig): string {
  return JSON.stringify({
    architecture: image.architecture,
    ...(image.author === undefined ? {} : { author: image.author }),
    config: sorted({ ...image.config, ...image.carried }),
    ...(image.created === '' ? {} : { created: image.created }),
    history: image.history.map(({ created, created_by, author, comment, empty_layer }) => ({
      created,
      created_by,
      author,
      comment,
      empty_layer,
    })),
    os: image.os,
    rootfs: { type: 'layers', diff_ids: image.diffIds },
    ...(image.variant === undefined ? {} : { variant: image.variant }),
  });
}

/** Maps by their keys, as Go writes them. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}

/** OCI's ChainID of the layers up to each one, as 64 hex digits: `chainIds(d)[i]` names layer i upon all below it. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(
      below === undefined
        ? diffId.slice('sha256:'.length)
        : sha256().update(`sha256:${below} ${diffId}`).digest('hex'),
    );
  }
  return chain;
}
