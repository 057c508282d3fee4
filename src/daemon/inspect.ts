/** What lists and `inspect` show: read from the disk at each question. */
import type { Kernel } from '../kernel/kernel.ts';
import { TsDockError } from '../engine/failure.ts';
import { findContainer } from './containers.ts';
import { Graph, isMadeToRun } from './graph.ts';
import { imageConfigOf, layersOf } from './image-store.ts';
import { readImage } from './images.ts';
import { diffOf, initLayerOf } from './layers.ts';
import type { Config, Container, HostConfig, Image } from './model.ts';
import type { Place } from './place.ts';
import { isDigest, nameText } from './reference.ts';
import { lookupImage, namesOf, readTags } from './tags.ts';

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
  /** `sha256:<hex>`: by which the repository's registry knows it. */
  readonly digests: readonly string[];
}

export const NONE = '<none>';

/** `named`: only those; `dangling`: only nameless images that nothing stands on; `all`: the images between as well. */
export type Selection = 'usual' | 'all' | 'named' | 'dangling';

/** Every name, and the images that lost theirs. What cannot be read is reported and passed over. */
export function listImages(
  sys: Kernel,
  place: Place,
  selection: Selection = 'usual',
  warn: (text: string) => void = () => undefined,
): ListedImage[] {
  const graph = Graph.read(sys, place);
  const tags = readTags(sys, place);
  const named = selection === 'dangling' ? [] : [...tags].flatMap(([name, known]) => namedIn(name, known));
  const known = new Set([...tags.values()].flatMap((ids) => [...ids.values()]));
  const nameless = [...graph.images.values()].filter(
    (image) =>
      selection !== 'named' &&
      !known.has(image.id) &&
      (selection === 'all' || (isMadeToRun(image) && !graph.isParent(image.id))),
  );
  const lines = [
    ...named,
    ...nameless.map(({ id }) => ({ repository: NONE, tag: NONE, id, digests: [] as readonly string[] })),
  ];
  return lines.flatMap((line) => {
    try {
      return [{ ...line, ...sizesOf(graph, line.id) }];
    } catch (error) {
      if (!(error instanceof TsDockError)) throw error;
      warn(error.message);
      return [];
    }
  });
}

type Line = Pick<ListedImage, 'repository' | 'tag' | 'id' | 'digests'>;

/** An image that the repository knows by a digest alone has a line of its own. */
function namedIn(repository: string, known: ReadonlyMap<string, string>): Line[] {
  const entries = [...known];
  const digestsOf = (id: string): string[] =>
    entries.flatMap(([key, named]) => (named === id && isDigest(key) ? [key] : []));
  const tagged = entries.filter(([key]) => !isDigest(key));
  const ids = new Set(tagged.map(([, id]) => id));
  const others = new Set(entries.map(([, id]) => id).filter((id) => !ids.has(id)));
  return [
    ...tagged.map(([tag, id]) => ({ repository, tag, id, digests: digestsOf(id) })),
    ...[...others].map((id) => ({ repository, tag: NONE, id, digests: digestsOf(id) })),
  ];
}

function sizesOf(graph: Graph, id: string): Pick<ListedImage, 'created' | 'layers' | 'size'> {
  const chain = graph.chain(id);
  return { created: chain[0]?.created ?? '', layers: chain.length, size: sizeOf(chain) };
}

const sizeOf = (chain: readonly Image[]): number => chain.reduce((sum, { Size }) => sum + Size, 0);

/** As Docker's inspect shows a container: config.json with hostconfig.json in it, and where its layers lie. */
export interface InspectedContainer extends Container {
  readonly HostConfig: HostConfig;
  readonly Layers: { readonly Upper: string; readonly Init: string; readonly Image: readonly string[] };
}

/** As Docker's inspect shows an image, and where its layers lie. */
export interface InspectedImage {
  /** With `sha256:` before it, as `RootFS` has its digests. */
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  readonly Created: string;
  readonly Author: string;
  readonly Config: Partial<Config>;
  readonly Architecture: string;
  readonly Os: string;
  /** Of all layers, in bytes. */
  readonly Size: number;
  readonly RootFS: { readonly Type: 'layers'; readonly Layers: readonly string[] };
  /** The folders of its layers, the topmost first. */
  readonly Layers: readonly string[];
}

/** A container, else an image, of that name or id. */
export async function inspect(
  sys: Kernel,
  place: Place,
  wanted: string,
): Promise<InspectedContainer | InspectedImage> {
  const stored = without(['no-such-container'], () => findContainer(sys, place, wanted));
  if (stored !== undefined) {
    const { container, hostConfig } = stored;
    const chain = without(['no-such-image', 'bad-image'], () =>
      diffsOf(sys, place, readImage(sys, place, container.Image)),
    );
    const own = { Upper: diffOf(place, container.ID), Init: diffOf(place, initLayerOf(container.ID)) };
    return { ...container, HostConfig: hostConfig, Layers: { ...own, Image: chain ?? [] } };
  }
  const image = without(['no-such-image'], () => lookupImage(sys, place, wanted));
  if (image !== undefined) return inspectImage(sys, place, image);
  throw new TsDockError(
    'no-such-container',
    `cannot inspect ${wanted}: no container and no image is called so`,
    {
      remedy: '`ts-dock ps -a` and `ts-dock images` list what is there.',
    },
  );
}

async function inspectImage(sys: Kernel, place: Place, image: Image): Promise<InspectedImage> {
  const names = namesOf(readTags(sys, place), image.id);
  const { config } = await imageConfigOf(sys, place, image);
  return {
    Id: `sha256:${image.id}`,
    RepoTags: names.filter(({ key }) => !isDigest(key)).map(nameText),
    RepoDigests: names.filter(({ key }) => isDigest(key)).map(nameText),
    Parent: image.parent === undefined ? '' : `sha256:${image.parent}`,
    Comment: image.comment ?? '',
    Created: image.created,
    Author: image.author ?? '',
    Config: image.config ?? {},
    Architecture: config.architecture,
    Os: config.os,
    Size: sizeOf(Graph.read(sys, place).chain(image.id)),
    RootFS: { Type: 'layers', Layers: config.diffIds },
    Layers: diffsOf(sys, place, image),
  };
}

const diffsOf = (sys: Kernel, place: Place, image: Image): string[] =>
  layersOf(sys, place, image)
    .reverse()
    .map((layer) => diffOf(place, layer));

function without<T>(reasons: readonly TsDockError['reason'][], look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof TsDockError && reasons.includes(error.reason)) return undefined;
    throw error;
  }
}
