/**
 * Layers: `overlay/<id>/diff` is what a layer adds, and `overlay/l/<short>` is a link to it. The short names are what
 * fits 124 layers into the 4095 bytes of mount options; they are resolved from `overlay/l`, wherever the root lies.
 * `overlay/<id>/link` holds the short name of an image's layer, which need not lie in the image's own folder.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badImage } from './images.ts';
import type { Place } from './place.ts';
import { shortId } from './store.ts';

export const layerFolder = (place: Place, id: string): string => join(place.overlay, id);
/** Of a layer's or a container's own folder; an image's layer lies in that of {@link layerOf}. */
export const diffOf = (place: Place, id: string): string => join(place.overlay, id, 'diff');
export const linkFolder = (place: Place): string => join(place.overlay, 'l');
export const mountPoint = (place: Place, container: string): string => join(place.overlay, 'mnt', container);
export const initLayerOf = (container: string): string => `${container}-init`;

const SHORTEST = 12;
/** A page, and its last byte is the end of the string. */
const MOST_OPTIONS = 4095;

/**
 * Gives a staged folder (with `diff` in it) its place among the layers, with all that belongs to it: whoever finds it there
 * finds it whole. What is there already has the same content.
 */
export function adoptLayer(sys: Kernel, place: Place, id: string, staged: string): void {
  sys.replaceFileLoosely(join(staged, 'link'), linkLayer(sys, place, id));
  putFolder(sys, staged, layerFolder(place, id), ['link']);
}

/**
 * Renames a folder into its place. Where there is one already that one stays, and gets of `parts` what it lacks: it may be
 * in use, and what lacks a part was left by somebody who was killed.
 */
export function putFolder(sys: Kernel, staged: string, target: string, parts: readonly string[]): void {
  try {
    sys.rename(staged, target);
  } catch (error) {
    if (!refusedWith(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    for (const part of parts)
      if (!sys.exists(join(target, part))) sys.rename(join(staged, part), join(target, part));
  }
}

/** A link to the layer, which need not be there yet. Two ids may begin alike: then the later one's short name is longer. */
function linkLayer(sys: Kernel, place: Place, id: string): string {
  const target = `../${id}/diff`;
  for (let length = SHORTEST; ; length += 1) {
    const short = id.slice(0, length);
    const path = join(linkFolder(place), short);
    if (linksTo(sys, path, target) || linkTo(sys, path, target)) return short;
    if (length >= id.length) throw badImage(id, `${path} is in the way of its layer`);
  }
}

/** A dangling link of an earlier attempt counts as there. */
function linksTo(sys: Kernel, path: string, target: string): boolean {
  try {
    return sys.readlink(path) === target;
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'EINVAL')) return false;
    throw error;
  }
}

/** False where something else has that name. */
export function linkTo(sys: Kernel, path: string, target: string): boolean {
  try {
    sys.symlink(target, path);
    return true;
  } catch (error) {
    if (refusedWith(error, 'EEXIST')) return linksTo(sys, path, target);
    throw error;
  }
}

/** The folder's name beneath `overlay` that holds the layer of an image: images that stand on the same layer share it. */
export function layerOf(sys: Kernel, place: Place, id: string): string {
  const short = shortNameOf(sys, place, id);
  const [, folder] =
    /^\.\.\/([0-9a-f]{64})\/diff$/.exec(readlinkIfThere(sys, join(linkFolder(place), short))) ?? [];
  if (folder === undefined) throw badImage(id, 'its layer is not there');
  return folder;
}

function readlinkIfThere(sys: Kernel, path: string): string {
  try {
    return sys.readlink(path);
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'EINVAL')) return '';
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
