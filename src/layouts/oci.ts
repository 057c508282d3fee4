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
import type { ImageSet, OfferedImage, OfferedLayer, ReadOptions } from './image-set.ts';
import { badEntry, parseDocument, type At } from './json.ts';
import { isOf, parseIndex, parseManifest, type Descriptor } from './manifest.ts';
import { documentIn, type Members } from './members.ts';
import { fits, OWN_PLATFORM, platformText, type Platform } from './platform.ts';

/** Indexes in indexes. */
const MOST_DEPTH = 4;

const blobName = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;

export function readOci(members: Members, { budgets, platform }: ReadOptions): ImageSet {
  const layout = documentIn(members, 'oci-layout', budgets);
  const version = layout.get('imageLayoutVersion');
  if (!/^1\./.test(version.text())) throw version.refused('must be 1.0.0');
  const wanted = platform ?? OWN_PLATFORM;
  const notes: string[] = [];
  const tops = parseIndex(documentIn(members, 'index.json', budgets), '');
  const found = new Map<string, { manifest: Descriptor; names: Name[] }>();
  const others: Platform[] = [];
  for (const top of tops) {
    const manifest = choose(members, budgets, top, wanted, others, 0);
    if (manifest === undefined) continue;
    const known = found.get(manifest.digest) ?? { manifest, names: [] };
    found.set(manifest.digest, known);
    const name = nameOf(top, notes);
    if (name !== undefined) known.names.push(name);
  }
  if (found.size === 0) throw noneFits(members.file, wanted, others);
  const images = [...found.values()].map(({ manifest, names }) => {
    const image = imageOf(members, budgets, manifest, names);
    checkPlatform(members.file, image, platform, notes);
    return image;
  });
  return { form: 'oci', images, notes };
}

/** The manifest that a descriptor leads to for this machine; undefined where it leads to none. */
function choose(
  members: Members,
  budgets: Budgets,
  from: Descriptor,
  wanted: Platform,
  others: Platform[],
  depth: number,
): Descriptor | undefined {
  if (from.platform !== undefined && !fits(from.platform, wanted)) {
    others.push(from.platform);
    return undefined;
  }
  if (isOf('manifest', from.mediaType)) return from;
  if (depth >= MOST_DEPTH)
    throw badEntry(members.file, blobName(from.digest), `it is an index within more than ${MOST_DEPTH} others`);
  for (const inner of parseIndex(verifiedDocument(members, budgets, from), from.mediaType)) {
    const chosen = choose(members, budgets, inner, wanted, others, depth + 1);
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

function noneFits(file: string, wanted: Platform, others: readonly Platform[]): TsDockError {
  const offered = [...new Set(others.map(platformText))].filter((text) => text !== 'unknown/unknown');
  if (offered.length === 0) return badArchive(file, 'its index.json names no image');
  return new TsDockError('no-such-image', `cannot read ${file}: there is no image for ${platformText(wanted)} in it`, {
    means: `There are images for ${offered.join(', ')}.`,
    remedy: `Say which: --platform ${offered[0] ?? ''}`,
  });
}

/** Docker writes the whole name into one annotation, others a tag, or a name, into the other. */
function nameOf({ annotations }: Descriptor, notes: string[]): Name | undefined {
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

function imageOf(
  members: Members,
  budgets: Budgets,
  from: Descriptor,
  names: readonly Name[],
): OfferedImage {
  const at = verifiedDocument(members, budgets, from);
  const manifest = parseManifest(at, from.mediaType);
  const what = blobName(manifest.config.digest);
  const configText = verified(members, manifest.config, budgets.json).toString('utf8');
  const config = parseImageConfig(`${members.file}: ${what}`, configText);
  if (config.diffIds.length !== manifest.layers.length)
    throw badEntry(
      members.file,
      blobName(from.digest),
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
  return { what, configText, config, layers, names };
}

function checkPlatform(file: string, image: OfferedImage, asked: Platform | undefined, notes: string[]): void {
  const { os, architecture, variant = '' } = image.config;
  const is: Platform = { os, architecture, variant };
  if (fits(is, asked ?? OWN_PLATFORM)) return;
  if (asked !== undefined) throw noneFits(file, asked, [is]);
  notes.push(`It was made for ${platformText(is)}, and this machine is ${platformText(OWN_PLATFORM)}.`);
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

function verifiedDocument(members: Members, budgets: Budgets, from: Descriptor): At {
  return parseDocument(members.file, blobName(from.digest), verified(members, from, budgets.json));
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
