/** Makes image layouts by hand, right or wrong in one place: each is a map of names to contents, put down as archive or folder. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_BUDGETS, type Budgets } from '../../src/archive/budgets.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { readImageSet, type ImageSet } from '../../src/layouts/image-set.ts';
import { openSource } from '../../src/layouts/open.ts';
import { parsePlatform } from '../../src/registry/platform.ts';
import { directory, file, symlink, tarOf, type Member } from '../archive/rig-tar.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined };
/** A content; `-> target` is a link. */
export type Content = string | Uint8Array;
export type Layout = Record<string, Content>;

export const hexOf = (content: Content): string => createHash('sha256').update(content).digest('hex');
export const digestOf = (content: Content): string => `sha256:${hexOf(content)}`;

/** A layer with a file that says which one it is, and what else is wanted. */
export const layerOf = (name: string, ...more: Member[]): Buffer =>
  tarOf(directory('etc'), file(`etc/${name}`, `from ${name}\n`), ...more);

export function configOf(layers: readonly Uint8Array[], more: { [key: string]: Json } = {}): string {
  return JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Env: ['A=b'], Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    ...more,
  });
}

/** As `docker save` 1.10 and later. */
export function dockerLayout(
  layers: readonly Uint8Array[],
  tags: readonly string[],
  more: { [key: string]: Json } = {},
): Layout {
  const config = configOf(layers, more);
  const name = `${hexOf(config)}.json`;
  return {
    [name]: config,
    ...Object.fromEntries(layers.map((layer) => [`${hexOf(layer)}/layer.tar`, layer])),
    'manifest.json': JSON.stringify([
      { Config: name, RepoTags: tags, Layers: layers.map((layer) => `${hexOf(layer)}/layer.tar`) },
    ]),
  };
}

export interface OciParts {
  readonly blobs: Layout;
  readonly descriptor: { mediaType: string; digest: string; size: number };
}

const blob = (content: Content): string => `blobs/sha256/${hexOf(content)}`;
export const OCI = 'application/vnd.oci.image';

export function ociImage(
  layers: readonly Uint8Array[],
  {
    stored = layers,
    manifest = {},
    config: more = {},
  }: {
    stored?: readonly Uint8Array[];
    manifest?: { [key: string]: Json };
    config?: { [key: string]: Json };
  } = {},
): OciParts {
  const config = configOf(layers, more);
  const of = (content: Content, mediaType: string): { mediaType: string; digest: string; size: number } => ({
    mediaType,
    digest: digestOf(content),
    size: Buffer.byteLength(content),
  });
  const mediaType = `${OCI}.manifest.v1+json`;
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: of(config, `${OCI}.config.v1+json`),
    layers: stored.map((layer) => of(layer, `${OCI}.layer.v1.tar`)),
    ...manifest,
  });
  return {
    blobs: { ...Object.fromEntries([config, text, ...stored].map((content) => [blob(content), content])) },
    descriptor: of(text, mediaType),
  };
}

export const indexOf = (manifests: readonly Json[], more: { [key: string]: Json } = {}): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests: [...manifests], ...more });

export function ociLayout(parts: readonly OciParts[], index: string): Layout {
  return {
    'oci-layout': JSON.stringify({ imageLayoutVersion: '1.0.0' }),
    'index.json': index,
    ...Object.assign({}, ...parts.map(({ blobs }) => blobs)),
  };
}

/** An index as a blob, and what leads to it. */
export function nested(index: string): OciParts {
  return {
    blobs: { [blob(index)]: index },
    descriptor: {
      mediaType: `${OCI}.index.v1+json`,
      digest: digestOf(index),
      size: Buffer.byteLength(index),
    },
  };
}

export const idOf = (name: string): string => hexOf(`image ${name}`);

/** As Docker 1.2.0 wrote it: the lowest layer first, each the parent of the next. */
export function v1Layout(
  layers: readonly Content[],
  repositories: Json | undefined,
  more: { [key: string]: Json } = {},
): Layout {
  const ids = layers.map((_, i) => idOf(i.toString()));
  const layout: Layout = {};
  for (const [i, layer] of layers.entries()) {
    const id = ids[i] ?? '';
    layout[`${id}/VERSION`] = '1.0';
    layout[`${id}/json`] = JSON.stringify({
      id,
      ...(i === 0 ? {} : { parent: ids[i - 1] }),
      created: `2014-09-0${(i + 1).toString()}T00:00:00Z`,
      container_config: { Cmd: ['/bin/sh', '-c', `#(nop) step ${i.toString()}`] },
      architecture: 'amd64',
      os: 'linux',
      Size: 0,
      ...(i === layers.length - 1 ? { config: { Env: ['A=b'], Cmd: ['/bin/true'] }, ...more } : {}),
    });
    layout[`${id}/layer.tar`] = layer;
  }
  return { ...layout, ...(repositories === undefined ? {} : { repositories: JSON.stringify(repositories) }) };
}

const isLink = (content: Content): content is string =>
  typeof content === 'string' && content.startsWith('-> ');

export function tarOfLayout(layout: Layout, extra: readonly (Member | Buffer)[] = []): Buffer {
  return tarOf(
    ...Object.entries(layout).map(([name, content]) =>
      isLink(content) ? symlink(name, content.slice(3)) : file(name, content),
    ),
    ...extra,
  );
}

export function writeFolder(folder: string, layout: Layout): string {
  for (const [name, content] of Object.entries(layout)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

export interface ReadOptions {
  readonly scratch: string;
  readonly budgets?: Partial<Budgets>;
  readonly platform?: string;
}

/** Opens and reads a layout, and all of its layers' bytes; closes it. */
export async function readLayout(
  sys: Kernel,
  source: { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> },
  { scratch, budgets: some, platform }: ReadOptions,
): Promise<ImageSet & { readonly contents: Buffer[][]; readonly kind: string }> {
  const budgets = { ...DEFAULT_BUDGETS, ...some };
  mkdirSync(scratch, { recursive: true });
  const opened = await openSource(
    sys,
    { file: 'app.tar', ...source },
    { budgets, scratch, progress: () => undefined },
  );
  try {
    const set = await readImageSet(opened.members, {
      budgets,
      platform: platform === undefined ? undefined : parsePlatform(platform),
      progress: () => undefined,
    });
    const contents: Buffer[][] = [];
    for (const image of set.images) {
      const own: Buffer[] = [];
      for (const layer of image.layers) {
        const pieces: Uint8Array[] = [];
        for await (const piece of layer.open()) pieces.push(piece);
        own.push(Buffer.concat(pieces));
      }
      contents.push(own);
    }
    return { ...set, contents, kind: opened.kind };
  } finally {
    opened.members.close();
  }
}
