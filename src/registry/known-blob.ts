/**
 * As which blob a layer has come, or gone: beside the layer, so that a push can ask for it without packing the layer first,
 * and an image that was pulled goes back under the digests that it had. Only a note: what cannot be read was never known.
 */
import { join } from 'node:path';
import { layerFolder, layerOf } from '../daemon/layers.ts';
import type { Place } from '../daemon/place.ts';
import { isDigest } from '../daemon/reference.ts';
import { readCapped } from '../daemon/store.ts';
import { TsDockError } from '../engine/failure.ts';
import { KernelError } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Descriptor } from './manifest.ts';

const FILE = 'blob';
const MOST = 1024;

/** Of those that are packed with gzip: what every registry and every program takes. */
export function rememberBlob(sys: Kernel, place: Place, layer: string, blob: Descriptor): void {
  if (!blob.mediaType.endsWith('gzip')) return;
  const { digest, size } = blob;
  sys.writeFile(join(layerFolder(place, layerOf(sys, place, layer)), FILE), JSON.stringify({ digest, size }));
}

export function knownBlob(
  sys: Kernel,
  place: Place,
  layer: string,
): Pick<Descriptor, 'digest' | 'size'> | undefined {
  try {
    const text = readCapped(sys, join(layerFolder(place, layerOf(sys, place, layer)), FILE), MOST);
    const { digest, size } = JSON.parse(text ?? '{}') as {
      readonly digest?: unknown;
      readonly size?: unknown;
    };
    return isDigest(digest) && Number.isSafeInteger(size) ? { digest, size: size as number } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TsDockError || error instanceof KernelError)
      return undefined;
    throw error;
  }
}
