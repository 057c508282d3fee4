/**
 * Images from the world, in Docker 1.2.0's shape: `graph/<id>/{json,layersize}` and a chain of parents, down to the lowest
 * layer. The top has the id that Docker knows it by (the digest of its configuration), and beside its json the very bytes of
 * that configuration (`graph/<id>/config`). The images below it are nameless: their ids are the chain ids of their layers.
 * `overlay/<id>/link` of the top leads to the layer, which bears its chain id and may be shared.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { ImageConfig } from './image-config.ts';
import type { Layer } from './layer-store.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';

/** Registers an image whose layers are all there. Its id. Needs no lock; what is there already stays. */
export function registerImage(
  _sys: Kernel,
  _place: Place,
  _configText: string,
  _layers: readonly Layer[],
): Image {
  throw new Error('to come');
}

/**
 * The configuration and its bytes, of any image: those that it came with, or, of one that was made by an older ts-dock or
 * is `base`, made from its chain. Its diff ids are those of `layersOf`.
 */
export async function imageConfigOf(
  _sys: Kernel,
  _place: Place,
  _image: Image,
): Promise<{ readonly text: string; readonly config: ImageConfig }> {
  throw new Error('to come');
}

/** The folders' names beneath `overlay` of an image's layers, the lowest first: what `layerTar` takes. */
export function layersOf(_sys: Kernel, _place: Place, _image: Image): string[] {
  throw new Error('to come');
}

/** Removes an image that nobody names or uses, and of what it stood on all that nothing else stands on. Needs the lock. */
export function removeImage(
  _sys: Kernel,
  _place: Place,
  _id: string,
): { readonly removed: readonly string[] } {
  throw new Error('to come');
}
