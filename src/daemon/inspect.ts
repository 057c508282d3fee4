/** What lists and `inspect` show: read from the disk at each question. */
import type { Kernel } from '../kernel/kernel.ts';
import { TsDockError } from '../engine/failure.ts';
import { findContainer } from './containers.ts';
import { ancestryOf, imageIds, readImage } from './images.ts';
import { diffOf, initLayerOf } from './layers.ts';
import type { Container, HostConfig, Image } from './model.ts';
import type { Place } from './place.ts';
import { lookupImage, readTags } from './tags.ts';

/** A line of `ts-dock images`. */
export interface ListedImage {
  /** `<none>` where no tag names the image. */
  readonly repository: string;
  readonly tag: string;
  readonly id: string;
  readonly created: string;
  readonly layers: number;
  /** Of all layers, in bytes. */
  readonly size: number;
}

const NONE = '<none>';

/** Every tag, and with `all` also the images between, which nobody named. */
export function listImages(sys: Kernel, place: Place, all = false): ListedImage[] {
  const named = [...readTags(sys, place)].flatMap(([repository, tags]) =>
    [...tags].map(([tag, id]) => ({ repository, tag, id })),
  );
  const known = new Set(named.map(({ id }) => id));
  const nameless = all ? imageIds(sys, place).filter((id) => !known.has(id)) : [];
  const lines = [...named, ...nameless.map((id) => ({ repository: NONE, tag: NONE, id }))];
  return lines.map((line) => ({ ...line, ...sizesOf(sys, place, line.id) }));
}

function sizesOf(sys: Kernel, place: Place, id: string): Pick<ListedImage, 'created' | 'layers' | 'size'> {
  const image = readImage(sys, place, id);
  const ancestry = ancestryOf(sys, place, image);
  const size = ancestry.reduce((sum, each) => sum + readImage(sys, place, each).Size, 0);
  return { created: image.created, layers: ancestry.length, size };
}

/** As Docker's inspect shows a container: config.json with hostconfig.json in it, and where its layers lie. */
export interface InspectedContainer extends Container {
  readonly HostConfig: HostConfig;
  readonly Layers: { readonly Upper: string; readonly Init: string; readonly Image: readonly string[] };
}

export type InspectedImage = Image & { readonly Layers: readonly string[] };

/** A container, else an image, of that name or id. */
export function inspect(sys: Kernel, place: Place, wanted: string): InspectedContainer | InspectedImage {
  const stored = without(['no-such-container'], () => findContainer(sys, place, wanted));
  if (stored !== undefined) {
    const { container, hostConfig } = stored;
    const chain = without(['no-such-image', 'bad-image'], () =>
      layersOf(sys, place, readImage(sys, place, container.Image)),
    );
    const own = { Upper: diffOf(place, container.ID), Init: diffOf(place, initLayerOf(container.ID)) };
    return { ...container, HostConfig: hostConfig, Layers: { ...own, Image: chain ?? [] } };
  }
  const image = without(['no-such-image'], () => lookupImage(sys, place, wanted));
  if (image !== undefined) return { ...image, Layers: layersOf(sys, place, image) };
  throw new TsDockError(
    'no-such-container',
    `cannot inspect ${wanted}: no container and no image is called so`,
    {
      remedy: '`ts-dock ps -a` and `ts-dock images` list what is there.',
    },
  );
}

const layersOf = (sys: Kernel, place: Place, image: Image): string[] =>
  ancestryOf(sys, place, image).map((id) => diffOf(place, id));

function without<T>(reasons: readonly TsDockError['reason'][], look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof TsDockError && reasons.includes(error.reason)) return undefined;
    throw error;
  }
}
