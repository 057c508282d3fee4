/** What the tests of images share: roots of their own, and images that are made in them from archives of the test's own. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { chainIds, imageConfigText, type ImageConfig } from '../../src/daemon/image-config.ts';
import { registerImage } from '../../src/daemon/image-store.ts';
import { imageIds } from '../../src/daemon/images.ts';
import { findLayer, layerTar, makeLayer, type Layer } from '../../src/daemon/layer-store.ts';
import type { Image } from '../../src/daemon/model.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { isId, prepareRoot } from '../../src/daemon/store.ts';
import { setTag } from '../../src/daemon/tags.ts';
import type { Reason } from '../../src/engine/failure.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { file, pieces, tarOf } from '../archive/rig-tar.ts';

export const sys = new Kernel();
export const because = (reason: Reason): Error => expect.objectContaining({ reason }) as Error;
export const sha256 = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export function freshPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'images-'));
  folders.push(folder);
  const place = placeOf(join(folder, 'root'));
  prepareRoot(sys, place);
  return place;
}

/** A layer with one file. */
export const layerWith = (name: string, content = `${name}\n`): Buffer => tarOf(file(name, content));

export interface Made {
  readonly image: Image;
  readonly layers: readonly Layer[];
  readonly text: string;
}

/** An image of these layers, the lowest first; those that are there are not made again. */
export async function makeImage(
  place: Place,
  tars: readonly Uint8Array[],
  more: Partial<ImageConfig> = {},
  name = '',
): Promise<Made> {
  const layers: Layer[] = [];
  for (const tar of tars) layers.push(await addLayer(place, tar, layers));
  const text = configText(
    layers.map(({ diffId }) => diffId),
    more,
  );
  const image = registerImage(sys, place, text, layers);
  const [repository = '', tag = 'latest'] = name.split(':');
  if (name !== '') setTag(sys, place, repository, tag, image.id);
  return { image, layers, text };
}

export async function addLayer(place: Place, tar: Uint8Array, below: readonly Layer[] = []): Promise<Layer> {
  const diffId = `sha256:${sha256(tar)}`;
  const chain = chainIds([...below.map((layer) => layer.diffId), diffId]).at(-1) ?? '';
  return (
    findLayer(sys, place, chain) ??
    makeLayer(sys, place, {
      scratch: join(place.work, 'test'),
      below: below.map(({ chainId, folder }) => folder ?? chainId),
      diffId,
      source: pieces(tar),
      budgets: DEFAULT_BUDGETS,
      what: 'the test’s layer',
    })
  );
}

export function configText(diffIds: readonly string[], more: Partial<ImageConfig> = {}): string {
  return imageConfigText({
    architecture: 'amd64',
    os: 'linux',
    created: '2024-05-06T07:08:09Z',
    config: { Cmd: ['sh'], Env: ['A=1'] },
    history: [],
    ...more,
    diffIds,
  });
}

export async function bytesOf(place: Place, layer: string): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of layerTar(sys, place, layer)) all.push(Uint8Array.from(piece));
  return Buffer.concat(all);
}

/** All that lies in the store, by name. */
export function contents(place: Place): {
  readonly images: string[];
  readonly layers: string[];
  readonly links: string[];
} {
  return {
    images: imageIds(sys, place),
    layers: readdirSync(place.overlay).filter(isId).sort(),
    links: readdirSync(join(place.overlay, 'l')).sort(),
  };
}

/** Nothing is left of any work. */
export function expectTidy(place: Place): void {
  expect(readdirSync(join(place.root, 'tmp'))).toEqual([]);
  for (const name of existsSync(place.work) ? readdirSync(place.work) : [])
    expect(readdirSync(join(place.work, name))).toEqual([]);
  for (const link of readdirSync(join(place.overlay, 'l')))
    expect(existsSync(join(place.overlay, 'l', link)), `overlay/l/${link} leads nowhere`).toBe(true);
}
