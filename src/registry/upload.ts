/**
 * An image to a registry: what is not there yet of its layers, its configuration, and the manifest last, so that whoever
 * finds the name finds all of it. Written as Docker's schema 2, which every registry takes. Layers are packed with gzip, the
 * same layer to the same bytes, and each is written to disk first: its digest has to be known before it is asked for.
 */
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { imageConfigOf, layersOf } from '../daemon/image-store.ts';
import { layerTar } from '../daemon/layer-store.ts';
import type { Image } from '../daemon/model.ts';
import type { Place } from '../daemon/place.ts';
import { TsDockError } from '../engine/failure.ts';
import { BlobFile, chunksOf } from '../kernel/blob-file.ts';
import { sha256 } from '../kernel/hash.ts';
import { HttpError } from '../kernel/http.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import { abreast } from './abreast.ts';
import { unlinkIfThere } from './download.ts';
import { knownBlob, rememberBlob } from './known-blob.ts';
import { DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, type Descriptor } from './manifest.ts';
import { isPassing, pause, type Registry } from './registry.ts';

/** What a person sees of it. */
export interface UploadTeller {
  /** @param layer - twelve digits of its diff id; `bytes` of `total` are sent. */
  sent(layer: string, bytes: number, total: number): void;
  state(layer: string, words: string): void;
}

export interface Uploaded {
  /** Of the manifest. */
  readonly digest: string;
  /** Bytes of the manifest. */
  readonly size: number;
}

/** Where in the store a layer is, and what goes out for it. */
interface Source {
  readonly digest: string;
  readonly size: number;
  bytes(): Uint8Array | AsyncIterable<Uint8Array>;
}

/** @throws TsDockError `registry`, `unauthorized`; HttpError `ABORTED` */
export async function upload(
  sys: Kernel,
  place: Place,
  registry: Registry,
  image: Image,
  tell: UploadTeller,
  signal: AbortSignal,
): Promise<Uploaded> {
  const { text, config } = await imageConfigOf(sys, place, image);
  const folders = layersOf(sys, place, image);
  if (folders.length !== config.diffIds.length)
    throw new TsDockError(
      'bad-image',
      `cannot push ${image.id.slice(0, 12)}: its layers and its configuration differ`,
    );
  sys.ensureDir(place.downloads, 0o700);
  const layers = new Map<string, Descriptor>();
  const labels = config.diffIds.map((diffId) => diffId.slice('sha256:'.length).slice(0, 12));
  for (const label of labels) tell.state(label, 'Preparing');
  // A layer that the image has twice goes once.
  const once = [...new Map(config.diffIds.map((diffId, index) => [diffId, folders[index] ?? ''])).entries()];
  await abreast(once, registry.settings.parallel, signal, async ([diffId, folder], ours) => {
    const label = diffId.slice('sha256:'.length).slice(0, 12);
    const what = `push layer ${label}`;
    const known = knownBlob(sys, place, folder);
    if (known !== undefined && (await isRemote(registry, what, known.digest, ours))) {
      layers.set(diffId, { mediaType: DOCKER_LAYER, ...known });
      tell.state(label, 'Layer already exists');
      return;
    }
    const file = join(place.downloads, `push-${randomHex(8)}`);
    try {
      const packed = await pack(sys, place, folder, file, ours);
      const blob = { mediaType: DOCKER_LAYER, ...packed };
      layers.set(diffId, blob);
      const source = {
        ...packed,
        bytes: () => counted(chunksOf(file), (done) => tell.sent(label, done, packed.size)),
      };
      const was = await put(registry, what, source, ours);
      rememberBlob(sys, place, folder, blob);
      tell.state(label, was === 'there' ? 'Layer already exists' : 'Pushed');
    } finally {
      unlinkIfThere(sys, file);
    }
  });
  const bytes = Buffer.from(text);
  const own = { digest: digestOf(bytes), size: bytes.length, bytes: () => bytes };
  await put(registry, `push the configuration of ${registry.name.shown}`, own, signal);
  const manifest = Buffer.from(
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: DOCKER_MANIFEST,
        config: { mediaType: DOCKER_CONFIG, size: own.size, digest: own.digest },
        layers: config.diffIds.map((diffId) => {
          const { mediaType, size, digest } = layers.get(diffId) ?? {};
          return { mediaType, size, digest };
        }),
      },
      null,
      3,
    ),
  );
  const answer = await registry.ask({
    method: 'PUT',
    path: `manifests/${registry.name.wanted}`,
    headers: { 'content-type': DOCKER_MANIFEST, 'content-length': manifest.length.toString() },
    body: () => manifest,
    what: `push the manifest of ${registry.name.shown}`,
    accept: [201],
    again: true,
    signal,
  });
  answer.drop();
  const digest = digestOf(manifest);
  const told = answer.headers['docker-content-digest'];
  if (told !== undefined && told !== digest)
    throw new TsDockError(
      'registry',
      `cannot push ${registry.name.shown}: the registry has another manifest now`,
      {
        means: `It says ${JSON.stringify(String(told).slice(0, 100))}, and we sent ${digest}.`,
      },
    );
  return { digest, size: manifest.length };
}

const digestOf = (bytes: Uint8Array): string => `sha256:${sha256().update(bytes).digest('hex')}`;

/** The layer's tar, with gzip: no time and no name in its header, so that the same layer has the same digest. */
async function pack(
  sys: Kernel,
  place: Place,
  folder: string,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly digest: string; readonly size: number }> {
  const load = createRequire(import.meta.filename);
  const { createGzip } = load('node:zlib') as typeof import('node:zlib');
  const { pipeline } = load('node:stream/promises') as typeof import('node:stream/promises');
  const hash = sha256();
  const file = BlobFile.open(path);
  try {
    await pipeline(
      layerTar(sys.sparing(), place, folder),
      createGzip(),
      async (packed: AsyncIterable<Buffer>) => {
        for await (const chunk of packed) {
          hash.update(chunk);
          file.append(chunk);
        }
      },
      { signal },
    );
    return { digest: `sha256:${hash.digest('hex')}`, size: file.size };
  } catch (error) {
    if (signal.aborted) throw new HttpError('ABORTED', 'it was broken off', error);
    throw error;
  } finally {
    file.close();
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  progress: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of source) {
    yield chunk;
    done += chunk.length;
    progress(done);
  }
}

/** A blob, unless it is there: HEAD, then POST and PUT in one piece. */
async function put(
  registry: Registry,
  what: string,
  source: Source,
  signal: AbortSignal,
): Promise<'there' | 'sent'> {
  const { retries, backOff } = registry.settings;
  for (let tried = 0; ; tried += 1) {
    if (await isRemote(registry, what, source.digest, signal)) return 'there';
    try {
      await send(registry, what, source, signal);
      return 'sent';
    } catch (error) {
      // What was begun is forgotten by the registry; nothing of it counts before its digest was checked.
      if (tried >= retries || !isPassing((error as TsDockError).cause ?? error)) throw error;
      await pause(backOff * 2 ** Math.min(tried, 6), signal);
    }
  }
}

async function isRemote(
  registry: Registry,
  what: string,
  digest: string,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await registry.ask({
    method: 'HEAD',
    path: `blobs/${digest}`,
    what,
    accept: [200, 404],
    signal,
  });
  answer.drop();
  return answer.status === 200;
}

async function send(registry: Registry, what: string, source: Source, signal: AbortSignal): Promise<void> {
  const begun = await registry.ask({
    method: 'POST',
    path: 'blobs/uploads/',
    headers: { 'content-length': '0' },
    what,
    accept: [202],
    again: true,
    signal,
  });
  begun.drop();
  const { location } = begun.headers;
  if (location === undefined)
    throw new TsDockError('registry', `cannot ${what}: the registry does not say where to`);
  const url = registry.addressOf(location, registry.base);
  url.searchParams.set('digest', source.digest);
  const sent = await registry.ask({
    method: 'PUT',
    path: url,
    headers: { 'content-type': 'application/octet-stream', 'content-length': source.size.toString() },
    body: () => source.bytes(),
    what,
    accept: [201],
    signal,
  });
  sent.drop();
}
