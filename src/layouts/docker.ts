/**
 * What `docker save` has written since 1.10 (Docker image specification v1.2): manifest.json names each image's
 * configuration, layers and names, by members of the archive. Today's Docker, skopeo, podman and others call these each in
 * their own way; what a name promises about its content is held to.
 */
import { badArchive, quoted } from '../archive/refusal.ts';
import { parseImageConfig } from '../daemon/image-config.ts';
import { nameIn, parseReference, type Name } from '../daemon/reference.ts';
import { TsDockError } from '../engine/failure.ts';
import { sha256 } from '../kernel/hash.ts';
import { chosenFor } from './chosen.ts';
import {
  MOST_IMAGES,
  type ImageSet,
  type OfferedImage,
  type OfferedLayer,
  type ReadOptions,
} from './image-set.ts';
import { badEntry, textOf, type At } from './json.ts';
import { documentIn, type Members } from './members.ts';
import { verifiedStream } from './oci.ts';

const MOST_LAYERS = 1000;
const MOST_NAMES = 1000;

/** `blobs/sha256/<hex>`, `<hex>.json`, `sha256:<hex>`: undefined where a name promises nothing. */
function promised(name: string): string | undefined {
  const hex = /^(?:blobs\/sha256\/|sha256:)([0-9a-f]{64})$|^([0-9a-f]{64})\.json$/.exec(name);
  return hex === null ? undefined : `sha256:${hex[1] ?? hex[2] ?? ''}`;
}

export function readDockerArchive(members: Members, options: ReadOptions): ImageSet {
  const manifest = documentIn(members, 'manifest.json', options.budgets);
  const all = manifest.list(MOST_IMAGES);
  if (all.length === 0) throw badArchive(members.file, 'its manifest.json names no image');
  const notes: string[] = [];
  const warnings: string[] = [];
  const images = all.map((at) => imageAt(members, at, options));
  return {
    form: 'docker',
    images: chosenFor(members.file, images, options.platform, warnings),
    notes,
    warnings,
  };
}

function imageAt(members: Members, at: At, { budgets }: ReadOptions): OfferedImage {
  const what = at.get('Config').text();
  const bytes = members.whole(what, budgets.json);
  const digest = promised(what);
  const found = `sha256:${sha256().update(bytes).digest('hex')}`;
  if (digest !== undefined && digest !== found)
    throw badEntry(members.file, what, `its digest is ${found}: it is damaged, or not what it is called`);
  const where = `${members.file}: ${what}`;
  const config = parseImageConfig(where, textOf(where, bytes));
  const names = at.get('Layers').isThere ? at.get('Layers').list(MOST_LAYERS) : [];
  if (names.length !== config.diffIds.length)
    throw at
      .get('Layers')
      .refused(`has ${names.length} parts, and the configuration ${config.diffIds.length}`);
  const layers = names.map((each, i) => layerOf(members, each.text(), config.diffIds[i] ?? ''));
  const tags = at.get('RepoTags');
  return {
    what,
    configBytes: bytes,
    config,
    layers,
    names: tags.isThere
      ? tags.list(MOST_NAMES).map((tag) => nameAt(members.file, 'manifest.json', tag.text()))
      : [],
  };
}

/** Its plain tar's digest is checked against the configuration's while it is unpacked; its own, where its name says it. */
function layerOf(members: Members, name: string, diffId: string): OfferedLayer {
  const digest = name.startsWith('blobs/') ? promised(name) : undefined;
  return {
    name,
    size: members.sizeOf(name),
    diffId,
    open: () => (digest === undefined ? members.stream(name) : verifiedStream(members, name, digest)),
  };
}

/** @throws TsDockError `bad-archive`: who names an image wrongly may have named it for another program. */
export function nameAt(file: string, entry: string, text: string): Name {
  try {
    return nameIn(parseReference(text));
  } catch (cause) {
    if (!(cause instanceof TsDockError)) throw cause;
    throw badEntry(file, entry, `${quoted(text)} is no name for an image`, cause);
  }
}
