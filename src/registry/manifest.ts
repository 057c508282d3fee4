/**
 * Manifests and indexes: read into what they must be, whatever they claim to be. A document is one thing: its header, its
 * own word and its fields have to agree, or two readers would see two images in the same bytes (CVE-2021-41190).
 */
import { TsDockError } from '../engine/failure.ts';
import { distance, platformText, type Platform } from './platform.ts';
import { isDigest } from '../daemon/reference.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export interface ImageManifest {
  readonly kind: 'image';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Listed[];
}

/** One of several in an index. */
export interface Listed extends Descriptor {
  readonly platform: Platform | undefined;
  /** Those that are texts. */
  readonly annotations: ReadonlyMap<string, string>;
}

const DOCKER = 'application/vnd.docker.distribution.manifest';
const OCI = 'application/vnd.oci.image';
export const DOCKER_MANIFEST = `${DOCKER}.v2+json`;
const DOCKER_LIST = `${DOCKER}.list.v2+json`;
const OCI_MANIFEST = `${OCI}.manifest.v1+json`;
export const OCI_INDEX = `${OCI}.index.v1+json`;

export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip';

export const MANIFESTS = [OCI_MANIFEST, DOCKER_MANIFEST];
export const INDEXES = [OCI_INDEX, DOCKER_LIST];
const CONFIGS = [DOCKER_CONFIG, `${OCI}.config.v1+json`];
const LAYERS = [
  DOCKER_LAYER,
  'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.docker.image.rootfs.diff.tar.zstd',
  `${OCI}.layer.v1.tar`,
  `${OCI}.layer.v1.tar+gzip`,
  `${OCI}.layer.v1.tar+zstd`,
];

/** The best first; what is not here is not asked for. */
export const ACCEPT = [...INDEXES, ...MANIFESTS].join(', ');

/** Far more than an image can have, few enough to be listed. */
const MOST_MEMBERS = 10_000;

type Fields = Readonly<Record<string, unknown>>;

/**
 * @param where - what the document is, for errors
 * @param told - its media type by header or descriptor; empty: nobody said
 * @throws TsDockError `bad-image`
 */
export function parseManifest(where: string, text: string, told: string): ImageManifest | ImageIndex {
  const json = fields(where, 'it', parse(where, text));
  const header = told.split(';')[0]?.trim().toLowerCase() ?? '';
  const own = json['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw bad(where, 'its mediaType is no text');
  const signed = `${DOCKER}.v1+prettyjws`;
  if (json['schemaVersion'] === 1 || header === signed || header === `${DOCKER}.v1+json`)
    throw new TsDockError('bad-image', `cannot use ${where}: it is of schema 1`, {
      means: 'That form of 2014 says nothing about what a layer unpacks to, and nobody makes it any more.',
      remedy: 'Push the image anew with a program of today.',
    });
  if (json['schemaVersion'] !== 2) throw bad(where, 'its schemaVersion is not 2');
  const known = [...MANIFESTS, ...INDEXES];
  const named = known.includes(header) ? header : '';
  if (
    named === '' &&
    header !== '' &&
    !['application/json', 'text/plain', 'application/octet-stream'].includes(header)
  )
    throw bad(where, `its media type is ${JSON.stringify(header.slice(0, 100))}`);
  if (named !== '' && own !== undefined && own !== named)
    throw bad(where, `it is sent as ${named} and says that it is ${JSON.stringify(own.slice(0, 100))}`);
  const mediaType = named === '' ? (own ?? '') : named;
  if (!known.includes(mediaType)) throw bad(where, 'nobody says which media type it has');
  const isIndex = INDEXES.includes(mediaType);
  const foreign = isIndex ? ['config', 'layers', 'fsLayers', 'history'] : ['manifests', 'fsLayers'];
  const both = foreign.find((key) => json[key] !== undefined);
  if (both !== undefined)
    throw bad(
      where,
      `it is ${isIndex ? 'an index' : 'a manifest'} and has ${JSON.stringify(both)} (CVE-2021-41190)`,
    );
  return isIndex ? index(where, mediaType, json) : image(where, mediaType, json);
}

function image(where: string, mediaType: string, json: Fields): ImageManifest {
  const config = descriptor(where, 'config', json['config']);
  if (!CONFIGS.includes(config.mediaType))
    throw new TsDockError(
      'bad-image',
      `cannot use ${where}: its config is ${JSON.stringify(config.mediaType.slice(0, 100))}`,
      { means: 'It is an artifact that is kept in a registry, and no image of a container.' },
    );
  const layers = list(where, 'layers', json['layers']).map((each, at) => layer(where, `layers[${at}]`, each));
  return { kind: 'image', mediaType, config, layers };
}

function layer(where: string, key: string, value: unknown): Descriptor {
  const { urls } = fields(where, key, value);
  const found = descriptor(where, key, value);
  if (/foreign|nondistributable/.test(found.mediaType) || (Array.isArray(urls) && urls.length > 0))
    throw bad(
      where,
      `${key} is to be fetched from somewhere else`,
      'Whoever made the image would decide from where.',
    );
  if (!LAYERS.includes(found.mediaType))
    throw bad(where, `${key} has the media type ${JSON.stringify(found.mediaType.slice(0, 100))}`);
  return found;
}

function index(where: string, mediaType: string, json: Fields): ImageIndex {
  const manifests = list(where, 'manifests', json['manifests']).map((each, at) => {
    const key = `manifests[${at}]`;
    const { platform, annotations } = fields(where, key, each);
    return {
      ...descriptor(where, key, each),
      annotations: textsOf(annotations),
      platform: platform === undefined ? undefined : platformOf(where, `${key}.platform`, platform),
    };
  });
  return { kind: 'index', mediaType, manifests };
}

function textsOf(value: unknown): ReadonlyMap<string, string> {
  const isPair = (pair: [string, unknown]): pair is [string, string] => typeof pair[1] === 'string';
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value).filter(isPair) : []);
}

function platformOf(where: string, key: string, value: unknown): Platform {
  const json = fields(where, key, value);
  const text = (name: string): string => (typeof json[name] === 'string' ? json[name].slice(0, 100) : '');
  return { os: text('os'), architecture: text('architecture'), variant: text('variant') };
}

/** Whose platform serves best; of equals the first, as the specification says. */
export function choose(
  where: string,
  { manifests }: Pick<ImageIndex, 'manifests'>,
  wanted: Platform,
): Listed {
  const known = manifests.filter(({ mediaType }) => [...MANIFESTS, ...INDEXES].includes(mediaType));
  const ranked = known
    .map((each) => ({ each, far: each.platform === undefined ? 1000 : distance(wanted, each.platform) }))
    .filter((pair): pair is { each: (typeof known)[number]; far: number } => pair.far !== undefined)
    .sort((a, b) => a.far - b.far);
  const [best] = ranked;
  if (best !== undefined) return best.each;
  const there = [
    ...new Set(known.flatMap(({ platform }) => (platform === undefined ? [] : [platformText(platform)]))),
  ];
  const listed = there
    .filter((text) => /^[a-z0-9_./-]+$/.test(text) && !text.startsWith('unknown'))
    .slice(0, 12);
  throw new TsDockError('no-such-image', `cannot use ${where}: there is none for ${platformText(wanted)}`, {
    means: listed.length === 0 ? 'It is for no platform at all.' : `It is there for ${listed.join(', ')}.`,
    remedy: '--platform chooses another; its programs run here only if the kernel can.',
  });
}

function descriptor(where: string, key: string, value: unknown): Descriptor {
  const { mediaType, digest, size } = fields(where, key, value);
  if (typeof mediaType !== 'string' || mediaType === '') throw bad(where, `${key} has no mediaType`);
  if (!isDigest(digest)) throw bad(where, `the digest of ${key} is not sha256: and 64 hexadecimal digits`);
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw bad(where, `the size of ${key} is no number of bytes`);
  return { mediaType, digest, size: size as number };
}

function parse(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw bad(where, 'it is not JSON');
  }
}

function fields(where: string, key: string, value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad(where, `${key} is no object`);
  return value as Fields;
}

function list(where: string, key: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw bad(where, `${key} is no list`);
  if (value.length > MOST_MEMBERS) throw bad(where, `${key} has ${value.length} members`);
  return value;
}

function bad(
  where: string,
  why: string,
  means = 'It was made by others, and breaks a rule of its kind.',
): TsDockError {
  return new TsDockError('bad-image', `cannot use ${where}: ${why}`, { means });
}
