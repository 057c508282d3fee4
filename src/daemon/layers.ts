/**
 * Layers: `overlay/<id>/diff` is what a layer adds, and `overlay/l/<short>` is a link to it. The short names are what
 * fits 124 layers into the 4095 bytes of mount options; they are resolved from `overlay/l`, wherever the root lies.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badImage } from './images.ts';
import type { Place } from './place.ts';
import { shortId } from './store.ts';

export const layerFolder = (place: Place, id: string): string => join(place.overlay, id);
export const diffOf = (place: Place, id: string): string => join(place.overlay, id, 'diff');
export const linkFolder = (place: Place): string => join(place.overlay, 'l');
export const mountPoint = (place: Place, container: string): string => join(place.overlay, 'mnt', container);
export const initLayerOf = (container: string): string => `${container}-init`;

const SHORTEST = 12;
/** A page, and its last byte is the end of the string. */
const MOST_OPTIONS = 4095;

/** Gives a staged folder (with `diff` in it) its place among the layers. What is there already has the same content. */
export function adoptLayer(sys: Kernel, place: Place, id: string, staged: string): void {
  try {
    sys.rename(staged, layerFolder(place, id));
  } catch (error) {
    if (!refusedWith(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
  if (sys.readIfThere(join(layerFolder(place, id), 'link')) === undefined) linkLayer(sys, place, id);
}

/** Two ids may begin alike: then the later one's short name is longer. */
function linkLayer(sys: Kernel, place: Place, id: string): void {
  const target = `../${id}/diff`;
  for (let length = SHORTEST; length <= id.length; length += 1) {
    const short = id.slice(0, length);
    const path = join(linkFolder(place), short);
    if (sys.exists(path) ? sys.readlink(path) === target : made(sys, target, path)) {
      sys.replaceFileLoosely(join(layerFolder(place, id), 'link'), short);
      return;
    }
  }
}

function made(sys: Kernel, target: string, path: string): boolean {
  try {
    sys.symlink(target, path);
    return true;
  } catch (error) {
    // A dangling link of an earlier attempt counts as there.
    if (refusedWith(error, 'EEXIST')) return sys.readlink(path) === target;
    throw error;
  }
}

export function shortNameOf(sys: Kernel, place: Place, id: string): string {
  const short = sys.readIfThere(join(layerFolder(place, id), 'link'))?.trim() ?? '';
  if (/^[0-9a-f]{12,64}$/.test(short)) return short;
  throw badImage(id, 'its layer is not there');
}

/**
 * Where the root of a container comes from, as options of an overlay mount that is made from within `overlay/l`. With
 * `passing` the layer is not synced to the disk when it is unmounted, as it is removed in the next moment.
 */
export function overlayOptions(
  sys: Kernel,
  place: Place,
  container: string,
  ancestry: readonly string[],
  passing: boolean,
): string {
  const lower = [
    `../${initLayerOf(container)}/diff`,
    ...ancestry.map((id) => shortNameOf(sys, place, id)),
  ].join(':');
  const own = `upperdir=../${container}/diff,workdir=../${container}/work`;
  // A layer may carry marks that send lookups elsewhere in the layers below: not followed.
  const options = `lowerdir=${lower},${own},redirect_dir=nofollow,metacopy=off${passing ? ',volatile' : ''}`;
  if (Buffer.byteLength(options) <= MOST_OPTIONS) return options;
  throw new TsDockError(
    'too-many-layers',
    `cannot mount the root of ${shortId(container)}: ${ancestry.length} layers do not fit in one mount`,
    {
      means: 'The kernel takes one page of mount options.',
    },
  );
}
