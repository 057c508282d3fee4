/**
 * Images out of the store, as a tar stream: in the form of `docker save`, readable by every Docker there has been (a folder
 * for each layer and `repositories` for those up to 1.9, manifest.json since), or as an OCI image layout. The layers' bytes
 * are those that they came with, so that whoever loads it gets the same ids.
 */
import type { TarEntry } from '../archive/entry.ts';
import { END, headerOf, padding } from '../archive/writer.ts';
import { imageConfigOf, layersOf } from '../daemon/image-store.ts';
import type { ImageConfig } from '../daemon/image-config.ts';
import { ancestryOf, badImage, readImage } from '../daemon/images.ts';
import { layerTar } from '../daemon/layer-store.ts';
import { layerOf } from '../daemon/layers.ts';
import type { Image } from '../daemon/model.ts';
import type { Place } from '../daemon/place.ts';
import { DEFAULT_HOST, isDigest, nameText, parseReference, type Name } from '../daemon/reference.ts';
import { sha256 } from '../kernel/hash.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { OCI_INDEX } from '../registry/manifest.ts';

export interface SavedImage {
  readonly image: Image;
  readonly names: readonly Name[];
}

/** Bytes so far, and of all layers. */
export type Progress = (done: number, total: number) => void;

type Pieces = AsyncGenerator<Uint8Array>;

/** An image, with all that it consists of. */
interface Whole extends SavedImage {
  readonly text: string;
  readonly config: ImageConfig;
  /** Names beneath `overlay`, the lowest first. */
  readonly layers: readonly string[];
}

export function saved(
  sys: Kernel,
  place: Place,
  format: 'docker' | 'oci',
  images: readonly SavedImage[],
  progress: Progress,
): Pieces {
  const sparing = sys.sparing();
  return format === 'docker'
    ? dockerArchive(sparing, place, images, progress)
    : ociArchive(sparing, place, images, progress);
}

async function* dockerArchive(
  sys: Kernel,
  place: Place,
  images: readonly SavedImage[],
  progress: Progress,
): Pieces {
  const all = await wholes(sys, place, images);
  const layers = await Layers.measure(sys, place, all, progress);
  // Where each layer lies in the archive; a second image with the same one gets a link, as from Docker.
  const places = new Map<string, string>();
  const folders = new Set<string>();
  const repositories: Record<string, Record<string, string>> = {};
  const manifest: unknown[] = [];
  for (const { image, names, text } of all) {
    const members: string[] = [];
    for (const id of ancestryOf(sys, place, image, MOST_LAYERS).reverse()) {
      const layer = layerOf(sys, place, id);
      if (!layers.has(layer)) continue;
      if (!folders.has(id)) {
        folders.add(id);
        yield headerOf(entry(id, 'directory'));
        yield* file(`${id}/VERSION`, '1.0');
        yield* file(`${id}/json`, JSON.stringify(readImage(sys, place, id)));
        const known = places.get(layer);
        if (known === undefined) {
          places.set(layer, `${id}/layer.tar`);
          yield* layers.member(layer, `${id}/layer.tar`);
        } else
          yield headerOf({ ...entry(`${id}/layer.tar`, 'symlink'), linkname: `../${known}`, mode: 0o777 });
      }
      members.push(places.get(layer) ?? '');
    }
    // Called by its digest, as every reader expects. Of an image from the world that is its id; `base` has another.
    const config = `${digestOf(text).digest.slice('sha256:'.length)}.json`;
    yield* file(config, text);
    manifest.push({ Config: config, RepoTags: names.map(nameText), Layers: members });
    for (const { repository, key } of names)
      repositories[repository] = { ...repositories[repository], [key]: image.id };
  }
  yield* file('manifest.json', JSON.stringify(manifest));
  if (Object.keys(repositories).length > 0) yield* file('repositories', JSON.stringify(repositories));
  yield END;
}

const OCI = 'application/vnd.oci.image';

async function* ociArchive(
  sys: Kernel,
  place: Place,
  images: readonly SavedImage[],
  progress: Progress,
): Pieces {
  const all = await wholes(sys, place, images);
  const layers = await Layers.measure(sys, place, all, progress);
  const written = new Set<string>();
  const isNew = (digest: string): boolean => written.size < written.add(digest).size;
  yield* file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  for (const folder of ['blobs', 'blobs/sha256']) yield headerOf(entry(folder, 'directory'));
  const manifests: unknown[] = [];
  for (const { config, text, names, layers: own } of all) {
    const described = own.map((layer) => layers.descriptor(layer, `${OCI}.layer.v1.tar`));
    for (const [i, layer] of own.entries()) {
      const digest = described[i]?.digest ?? '';
      if (isNew(digest)) yield* layers.member(layer, blobName(digest));
    }
    const configuration = { mediaType: `${OCI}.config.v1+json`, ...digestOf(text) };
    if (isNew(configuration.digest)) yield* file(blobName(configuration.digest), text);
    const mediaType = `${OCI}.manifest.v1+json`;
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: configuration,
      layers: described,
    });
    const descriptor = { mediaType, ...digestOf(manifest) };
    if (isNew(descriptor.digest)) yield* file(blobName(descriptor.digest), manifest);
    const { os, architecture, variant } = config;
    const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
    const called = names.length === 0 ? [undefined] : names;
    manifests.push(
      ...called.map((name) => ({
        ...descriptor,
        ...(name === undefined ? {} : annotations(name)),
        platform,
      })),
    );
  }
  yield* file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  yield END;
}

/** The whole name for Docker, the tag for others. */
function annotations(name: Name): object {
  const { host, path } = parseReference(nameText(name));
  const whole = `${host === '' ? DEFAULT_HOST : host}/${path}:${name.key}`;
  return {
    annotations: { 'io.containerd.image.name': whole, 'org.opencontainers.image.ref.name': name.key },
  };
}

const MOST_LAYERS = 1000;

async function wholes(sys: Kernel, place: Place, images: readonly SavedImage[]): Promise<Whole[]> {
  const all: Whole[] = [];
  for (const { image, names } of images) {
    const { text, config } = await imageConfigOf(sys, place, image);
    const tags = names.filter(({ key }) => !isDigest(key));
    all.push({ image, names: tags, text, config, layers: layersOf(sys, place, image) });
  }
  return all;
}

interface Measured {
  readonly size: number;
  readonly digest: string;
}

/** A tar says how long a member is before it comes: each layer is read twice, first to measure it. */
class Layers {
  private readonly sys: Kernel;
  private readonly place: Place;
  private readonly measured = new Map<string, Measured>();
  private readonly progress: Progress;
  private done = 0;
  private total = 0;

  private constructor(sys: Kernel, place: Place, progress: Progress) {
    this.sys = sys;
    this.place = place;
    this.progress = progress;
  }

  /** Also compares each with what the configuration says: what would be refused by whoever loads it is not written. */
  static async measure(
    sys: Kernel,
    place: Place,
    images: readonly Whole[],
    progress: Progress,
  ): Promise<Layers> {
    const layers = new Layers(sys, place, progress);
    for (const { image, layers: own, config } of images) {
      for (const [i, layer] of own.entries()) {
        const { digest } = await layers.look(layer);
        if (digest !== config.diffIds[i])
          throw badImage(image.id, `its layer ${layer.slice(0, 12)} is no longer what it was when it came`);
      }
    }
    return layers;
  }

  has(layer: string): boolean {
    return this.measured.has(layer);
  }

  descriptor(layer: string, mediaType: string): Measured & { readonly mediaType: string } {
    const { digest, size } = this.of(layer);
    return { mediaType, digest, size };
  }

  async *member(layer: string, name: string): Pieces {
    const { size } = this.of(layer);
    yield headerOf({ ...entry(name, 'file'), size });
    let done = 0;
    for await (const bytes of layerTar(this.sys, this.place, layer)) {
      done += bytes.length;
      // What comes after would be taken for the next header.
      if (done > size) break;
      this.progress((this.done += bytes.length), this.total);
      yield bytes;
    }
    if (done !== size) throw badImage(layer, 'it is being changed while it is saved');
    yield padding(size);
  }

  private of(layer: string): Measured {
    const found = this.measured.get(layer);
    if (found === undefined) throw new Error(`${layer} was not measured`);
    return found;
  }

  private async look(layer: string): Promise<Measured> {
    const known = this.measured.get(layer);
    if (known !== undefined) return known;
    const hash = sha256();
    let size = 0;
    for await (const bytes of layerTar(this.sys, this.place, layer)) {
      hash.update(bytes);
      size += bytes.length;
      this.progress(0, 0);
    }
    const found = { size, digest: `sha256:${hash.digest('hex')}` };
    this.measured.set(layer, found);
    this.total += size;
    return found;
  }
}

const blobName = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;

const digestOf = (text: string): Measured => ({
  digest: `sha256:${sha256().update(text).digest('hex')}`,
  size: Buffer.byteLength(text),
});

/** No times and no owners: the same images give the same archive. */
function entry(name: string, type: TarEntry['type']): TarEntry {
  return {
    name,
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0n,
    linkname: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
  };
}

function* file(name: string, text: string): Generator<Uint8Array> {
  const bytes = Buffer.from(text);
  yield headerOf({ ...entry(name, 'file'), size: bytes.length });
  yield bytes;
  yield padding(bytes.length);
}
