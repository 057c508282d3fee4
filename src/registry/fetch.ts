/** Small documents of a registry, whole and verified: the manifest of a name for one platform, and an image's configuration. */
import { TsDockError } from '../engine/failure.ts';
import { sha256 } from '../kernel/hash.ts';
import { HttpError, type HttpAnswer } from '../kernel/http.ts';
import {
  ACCEPT,
  choose,
  parseManifest,
  type Descriptor,
  type ImageIndex,
  type ImageManifest,
} from './manifest.ts';
import { isDigest } from '../daemon/reference.ts';
import { textOf } from '../layouts/json.ts';
import type { Platform } from './platform.ts';
import { readAll, unanswered } from './refusals.ts';
import type { Registry } from './registry.ts';

export interface Fetched {
  readonly manifest: ImageManifest;
  /** Of the document that the name leads to, an index or a manifest: what Docker's `Digest:` line says. */
  readonly digest: string;
  /** Of the image's own manifest. */
  readonly manifestDigest: string;
  /** As the index has it; undefined where there was none to choose from. */
  readonly platform: Platform | undefined;
}

/** An index may lead to an index; more than this is nobody's honest work. */
const MOST_INDEXES = 3;

/** @throws TsDockError `no-such-image`, `bad-image`, `registry`, `unauthorized` */
export async function fetchManifest(
  registry: Registry,
  wanted: Platform,
  signal: AbortSignal | undefined,
): Promise<Fetched> {
  const { name } = registry;
  const shown = name.shown;
  const first = await document(registry, shown, name.wanted, '', undefined, signal);
  let { found } = first;
  let { digest } = first;
  let platform: Platform | undefined;
  for (let depth = 0; found.kind === 'index'; depth += 1) {
    if (depth >= MOST_INDEXES)
      throw new TsDockError('bad-image', `cannot use ${shown}: its index leads to an index, and so on`);
    const chosen: ReturnType<typeof choose> = choose(shown, found, wanted);
    platform = chosen.platform;
    ({ found, digest } = await document(
      registry,
      shown,
      chosen.digest,
      chosen.mediaType,
      chosen.size,
      signal,
    ));
  }
  return { manifest: found, digest: first.digest, manifestDigest: digest, platform };
}

async function document(
  registry: Registry,
  shown: string,
  reference: string,
  mediaType: string,
  size: number | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly found: ImageManifest | ImageIndex; readonly digest: string }> {
  const what = `fetch the manifest of ${shown}`;
  const most = registry.settings.budgets.json;
  if (size !== undefined && size > most)
    throw new TsDockError('bad-image', `cannot use ${shown}: a manifest of ${size} bytes is too large`);
  const { bytes, headers } = await whole(
    registry,
    what,
    `manifests/${reference}`,
    { accept: ACCEPT },
    size ?? most,
    signal,
  );
  const digest = digestOf(bytes);
  const told = headers['docker-content-digest'];
  const claimed = isDigest(reference) ? reference : isDigest(told) ? told : digest;
  if (digest !== claimed) throw wrongDigest(what, claimed, digest);
  if (size !== undefined && bytes.length !== size) throw wrongSize(what, bytes.length, size);
  const header = headers['content-type'] ?? '';
  const where = `the manifest of ${shown}`;
  const found = parseManifest(where, textOf(where, bytes), header);
  // The index has a word in it, too.
  if (mediaType !== '' && found.mediaType !== mediaType)
    throw new TsDockError(
      'bad-image',
      `cannot use ${where}: the index says that it is ${mediaType}, and it is ${found.mediaType}`,
    );
  return { found, digest };
}

/** The bytes that an image's id is the digest of. */
export async function fetchConfig(
  registry: Registry,
  { digest, size }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<string> {
  const what = `fetch the configuration of ${registry.name.shown}`;
  const most = registry.settings.budgets.json;
  if (size > most)
    throw new TsDockError('bad-image', `cannot ${what}: it has ${size} bytes, and may have ${most}`);
  const { bytes } = await whole(registry, what, `blobs/${digest}`, {}, size, signal);
  if (bytes.length !== size) throw wrongSize(what, bytes.length, size);
  if (digestOf(bytes) !== digest) throw wrongDigest(what, digest, digestOf(bytes));
  return textOf(`the configuration of ${registry.name.shown}`, bytes);
}

async function whole(
  registry: Registry,
  what: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  most: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Buffer; readonly headers: HttpAnswer['headers'] }> {
  for (let tried = 0; ; tried += 1) {
    const answer = await registry.ask({
      method: 'GET',
      path,
      headers,
      what,
      accept: [200],
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      return { bytes: await readAll(answer, most), headers: answer.headers };
    } catch (error) {
      if (!(error instanceof HttpError) || error.code === 'ABORTED') throw error;
      if (error.code === 'TOO_LARGE') throw new TsDockError('bad-image', `cannot ${what}: ${error.message}`);
      // What was cut is small: from the start, once.
      if (tried > 0) throw unanswered(what, registry.base, error);
    }
  }
}

const digestOf = (bytes: Buffer): string => `sha256:${sha256().update(bytes).digest('hex')}`;

export function wrongDigest(what: string, wanted: string, got: string): TsDockError {
  return new TsDockError('bad-image', `cannot ${what}: its digest is ${got}, and must be ${wanted}`, {
    means: 'These are other bytes than those that were asked for: damaged on the way, or exchanged.',
  });
}

function wrongSize(what: string, got: number, wanted: number): TsDockError {
  return new TsDockError('bad-image', `cannot ${what}: it has ${got} bytes, and must have ${wanted}`);
}
