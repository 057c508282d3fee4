/**
 * OCI image layouts (image-spec, image-layout.md): index.json leads by digests to manifests, perhaps over further indexes
 * with one for each machine, and those to configurations and layers in blobs/sha256/.
 */
import type { Budgets } from '../archive/budgets.ts';
import { badArchive } from '../archive/refusal.ts';
import { parseImageConfig } from '../daemon/image-config.ts';
import { nameIn, parseReference, type Name } from '../daemon/reference.ts';
import { TsDockError } from '../engine/failure.ts';
import { sha256 } from '../kernel/hash.ts';
import {
  choose,
  INDEXES,
  MANIFESTS,
  OCI_INDEX,
  parseManifest,
  type Descriptor,
  type ImageIndex,
  type Listed,
} from '../registry/manifest.ts';
import { distance, ownPlatform, type Platform } from '../registry/platform.ts';
import { chosenFor } from './chosen.ts';
import type { ImageSet, OfferedImage, OfferedLayer, ReadOptions } from './image-set.ts';
import { badEntry, textOf } from './json.ts';
import { documentIn, type Members } from './members.ts';

/** Indexes in indexes. */
const MOST_DEPTH = 4;

const blobName = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;

export function readOci(members: Members, { budgets, platform }: ReadOptions): ImageSet {
  const layout = documentIn(members, 'oci-layout', budgets);
  const version = layout.get('imageLayoutVersion');
  if (!/^1\./.test(version.text())) throw version.refused('must be 1.0.0');
  const wanted = platform ?? ownPlatform();
  const notes: string[] = [];
  const warnings: string[] = [];
  const where = `${members.file}: index.json`;
  const top = indexOf(where, members.whole('index.json', budgets.json), OCI_INDEX);
  // One image for each machine side by side, without an index between: only what runs here is meant.
  const fitting = top.manifests.filter((each) => suits(each, wanted));
  const found = new Map<string, { manifest: Descriptor; names: Name[] }>();
  for (const each of fitting.length === 0 ? [choose(where, top, wanted)] : fitting) {
    const manifest = manifestOf(members, budgets, each, wanted, 0);
    const known = found.get(manifest.digest) ?? { manifest, names: [] };
    found.set(manifest.digest, known);
    const name = nameOf(each, notes);
    if (name !== undefined) known.names.push(name);
  }
  const images = [...found.values()].map(({ manifest, names }) => imageOf(members, budgets, manifest, names));
  return { form: 'oci', images: chosenFor(members.file, images, platform, warnings), notes, warnings };
}

const suits = ({ mediaType, platform }: Listed, wanted: Platform): boolean =>
  (INDEXES.includes(mediaType) || MANIFESTS.includes(mediaType)) &&
  (platform === undefined || distance(wanted, platform) !== undefined);

function indexOf(where: string, bytes: Uint8Array, mediaType: string): ImageIndex {
  const index = parseManifest(where, textOf(where, bytes), mediaType);
  if (index.kind === 'index') return index;
  throw badArchive(where, 'it must be an index');
}

/** What a descriptor leads to for this machine. */
function manifestOf(
  members: Members,
  budgets: Budgets,
  from: Descriptor,
  wanted: Platform,
  depth: number,
): Descriptor {
  if (!INDEXES.includes(from.mediaType)) return from;
  const where = `${members.file}: ${blobName(from.digest)}`;
  if (depth >= MOST_DEPTH) throw badArchive(where, `it is an index within ${MOST_DEPTH} others`);
  const index = indexOf(where, verified(members, from, budgets.json), from.mediaType);
  return manifestOf(members, budgets, choose(where, index, wanted), wanted, depth + 1);
}

/** Docker writes the whole name into one annotation, others a tag, or a name, into the other. */
function nameOf({ annotations }: Listed, notes: string[]): Name | undefined {
  const whole = annotations.get('io.containerd.image.name');
  const short = annotations.get('org.opencontainers.image.ref.name') ?? '';
  const text = whole ?? (/[:/]/.test(short) ? short : '');
  if (text === '') {
    if (short !== '') notes.push(`${short} is a tag without a repository: the image gets no name.`);
    return undefined;
  }
  try {
    return nameIn(parseReference(text));
  } catch (error) {
    if (!(error instanceof TsDockError)) throw error;
    notes.push(`${text} is no name for an image, and passed over.`);
    return undefined;
  }
}

function imageOf(members: Members, budgets: Budgets, from: Descriptor, names: readonly Name[]): OfferedImage {
  const where = `${members.file}: ${blobName(from.digest)}`;
  const manifest = parseManifest(where, textOf(where, verified(members, from, budgets.json)), from.mediaType);
  if (manifest.kind === 'index') throw badArchive(where, 'it must be a manifest');
  const what = blobName(manifest.config.digest);
  const configBytes = verified(members, manifest.config, budgets.json);
  const config = parseImageConfig(
    `${members.file}: ${what}`,
    textOf(`${members.file}: ${what}`, configBytes),
  );
  if (config.diffIds.length !== manifest.layers.length)
    throw badArchive(
      where,
      `it has ${manifest.layers.length} layers, and its configuration ${config.diffIds.length}`,
    );
  const layers = manifest.layers.map((layer, i): OfferedLayer => {
    const name = blobName(layer.digest);
    const size = members.sizeOf(name);
    if (size !== layer.size) throw otherSize(members.file, name, layer.size, size);
    return {
      name,
      size,
      diffId: config.diffIds[i] ?? '',
      open: () => verifiedStream(members, name, layer.digest),
    };
  });
  return { what, configBytes, config, layers, names };
}

// --- blobs ----------------------------------------------------------------------------------------------------------

function otherSize(file: string, name: string, wanted: number, found: number): Error {
  return badEntry(file, name, `it has ${found} bytes, where ${wanted} were announced`);
}

function otherDigest(file: string, name: string, found: string): Error {
  return badEntry(file, name, `its digest is ${found}: it is damaged, or not what it is called`);
}

function verified(members: Members, { digest, size }: Descriptor, most: number): Buffer {
  const name = blobName(digest);
  const bytes = members.whole(name, most);
  if (bytes.length !== size) throw otherSize(members.file, name, size, bytes.length);
  const found = `sha256:${sha256().update(bytes).digest('hex')}`;
  if (found !== digest) throw otherDigest(members.file, name, found);
  return bytes;
}

/** Says at its end whether it was what its name says: whoever takes from it must not keep anything before. */
export async function* verifiedStream(
  members: Members,
  name: string,
  digest: string,
): AsyncGenerator<Uint8Array> {
  const hash = sha256();
  for await (const bytes of members.stream(name)) {
    hash.update(bytes);
    yield bytes;
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw otherDigest(members.file, name, found);
}
