/**
 * Manifests and indexes of OCI and of Docker (schema 2), parsed. A document is of one type: which one its descriptor says,
 * and it must neither say another itself nor have the parts of the other (CVE-2021-41190: two programs took the same bytes
 * for an index and for a manifest, and each ran another image).
 */
import { isDigest } from '../daemon/reference.ts';
import type { At } from './json.ts';
import { platformAt, type Platform } from './platform.ts';

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:<64 hex>`. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform: Platform | undefined;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';
export const MEDIA = {
  index: [`${OCI}.index.v1+json`, `${DOCKER}.distribution.manifest.list.v2+json`],
  manifest: [`${OCI}.manifest.v1+json`, `${DOCKER}.distribution.manifest.v2+json`],
  config: [`${OCI}.config.v1+json`, `${DOCKER}.container.image.v1+json`],
  layer: [
    ...['', '+gzip', '+zstd'].flatMap((packing) => [
      `${OCI}.layer.v1.tar${packing}`,
      `${OCI}.layer.nondistributable.v1.tar${packing}`,
    ]),
    ...['', '.gzip', '.zstd'].map((packing) => `${DOCKER}.image.rootfs.diff.tar${packing}`),
    `${DOCKER}.image.rootfs.foreign.diff.tar.gzip`,
  ],
} as const;
export type Kind = keyof typeof MEDIA;

export const isOf = (kind: Kind, mediaType: string): boolean =>
  (MEDIA[kind] as readonly string[]).includes(mediaType);

const MOST_ANNOTATIONS = 1000;
const MOST_LAYERS = 1000;
const MOST_MANIFESTS = 1000;

export function descriptorAt(at: At): Descriptor {
  const digest = at.get('digest').text();
  if (!isDigest(digest)) throw at.get('digest').refused('must be sha256: and 64 hexadecimal digits');
  const annotations = new Map<string, string>();
  const said = at.get('annotations');
  if (said.isThere) {
    const all = said.entries();
    if (all.length > MOST_ANNOTATIONS) throw said.refused('has too many parts');
    for (const [name, value] of all) annotations.set(name, value.text());
  }
  return {
    mediaType: at.get('mediaType').text(),
    digest,
    size: at.get('size').bytes(),
    platform: platformAt(at.get('platform')),
    annotations,
  };
}

function descriptorOf(kind: Kind, at: At): Descriptor {
  const descriptor = descriptorAt(at);
  if (isOf(kind, descriptor.mediaType)) return descriptor;
  throw at.get('mediaType').refused(`is ${JSON.stringify(descriptor.mediaType)}, which is no ${WORDS[kind]}`);
}

const WORDS: Readonly<Record<Kind, string>> = {
  index: 'index',
  manifest: 'manifest',
  config: 'configuration of an image',
  layer: 'layer that can be unpacked',
};

/** @param mediaType - as the descriptor said; empty for the index.json of a layout, which has none */
function checkType(at: At, kind: 'index' | 'manifest', mediaType: string): void {
  const version = at.get('schemaVersion');
  if (version.value !== 2) throw version.refused('must be 2');
  const own = at.get('mediaType').textOrNone();
  if (own !== '' && (mediaType === '' ? !isOf(kind, own) : own !== mediaType))
    throw at.get('mediaType').refused(`says ${JSON.stringify(own)}, where ${mediaType === '' ? `an ${kind}` : mediaType} was announced`);
  const others = kind === 'index' ? ['config', 'layers', 'fsLayers'] : ['manifests', 'fsLayers'];
  for (const part of others)
    if (at.get(part).isThere) throw at.refused(`is to be ${kind === 'index' ? 'an index' : 'a manifest'}, and has "${part}" too: it would be two things at once`);
}

export function parseManifest(at: At, mediaType: string): Manifest {
  checkType(at, 'manifest', mediaType);
  return {
    config: descriptorOf('config', at.get('config')),
    layers: at.get('layers').list(MOST_LAYERS).map((layer) => descriptorOf('layer', layer)),
  };
}

/** Only those that lead to an image or on to one; what else stands there (signatures, attestations) is somebody else's. */
export function parseIndex(at: At, mediaType: string): Descriptor[] {
  checkType(at, 'index', mediaType);
  return at
    .get('manifests')
    .list(MOST_MANIFESTS)
    .map(descriptorAt)
    .filter((each) => isOf('index', each.mediaType) || isOf('manifest', each.mediaType))
    .filter((each) => !each.annotations.has('vnd.docker.reference.type'));
}
