/** All images of a root, read once: which there are, and who stands on whom. One that is damaged keeps none from being seen. */
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badImage, imageIds, readImage } from './images.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';

export class Graph {
  readonly images: ReadonlyMap<string, Image>;
  /** By id, why it cannot be read. */
  readonly damaged: ReadonlyMap<string, TsDockError>;
  private readonly parents: ReadonlySet<string>;

  private constructor(images: ReadonlyMap<string, Image>, damaged: ReadonlyMap<string, TsDockError>) {
    this.images = images;
    this.damaged = damaged;
    this.parents = new Set([...images.values()].flatMap(({ parent }) => parent ?? []));
  }

  static read(sys: Kernel, place: Place): Graph {
    const images = new Map<string, Image>();
    const damaged = new Map<string, TsDockError>();
    for (const id of imageIds(sys, place)) {
      try {
        images.set(id, readImage(sys, place, id));
      } catch (error) {
        if (!(error instanceof TsDockError)) throw error;
        damaged.set(id, error);
      }
    }
    return new Graph(images, damaged);
  }

  /** From an image down to its lowest layer. @throws TsDockError where one of them is not there or damaged. */
  chain(id: string): Image[] {
    const chain: Image[] = [];
    const seen = new Set<string>();
    for (let next: string | undefined = id; next !== undefined;) {
      const image = this.images.get(next);
      if (image === undefined)
        throw this.damaged.get(next) ?? badImage(id, `its parent ${next} is not there`);
      if (seen.has(next)) throw badImage(id, `${next.slice(0, 12)} is its own ancestor`);
      seen.add(next);
      chain.push(image);
      next = image.parent;
    }
    return chain;
  }

  isParent(id: string): boolean {
    return this.parents.has(id);
  }
}

/**
 * An image that somebody made to be run, not a layer between: it says how. It stays until it is removed, also without a
 * name; the images between stay as long as another stands on them.
 */
export const isMadeToRun = ({ config }: Image): boolean => config !== undefined;
