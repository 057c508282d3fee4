/**
 * Takes back what a run that failed had added to the images. Between its adding and its failing others may have come to use
 * it (a run may stand still at a breakpoint for an hour), so each thing goes only while nobody does.
 */
import { join } from 'node:path';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { listContainers } from './containers.ts';
import { Graph } from './graph.ts';
import { imageIds } from './images.ts';
import { layerFolder, linkFolder } from './layers.ts';
import { underLock } from './lock.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { isId } from './store.ts';
import { readTags, removeTags, setTag } from './tags.ts';

/** @param layers - chain ids, the lowest first. Whatever is not there (any more) is passed over. Takes the lock. */
export function dropImage(sys: Kernel, place: Place, id: string, layers: readonly string[]): void {
  const all = [id, ...[...layers].reverse()].filter(isId);
  underLock(sys, place, () => {
    const images = new Map(Graph.read(sys, place).images);
    // From the top down: what nothing stands on any more has lost its last user in the turn before.
    for (const each of all) {
      if (isUsed(sys, place, images, each)) continue;
      discard(sys, place, place.graph, each);
      images.delete(each);
    }
    const left = imageIds(sys, place);
    const used = new Set(left.map((each) => linkOf(sys, place, each)));
    for (const each of all) {
      const own = ownNames(sys, place, each);
      if (left.includes(each) || own.some((short) => used.has(short))) continue;
      for (const short of own) sys.unlink(join(linkFolder(place), short));
      discard(sys, place, place.overlay, each);
    }
  });
}

/** A name means it, a container was made from it, or another image stands on it. */
function isUsed(sys: Kernel, place: Place, images: ReadonlyMap<string, Image>, id: string): boolean {
  return (
    [...readTags(sys, place).values()].some((tags) => [...tags.values()].includes(id)) ||
    listContainers(sys, place).some(({ container }) => container.Image === id) ||
    [...images.values()].some(({ parent }) => parent === id)
  );
}

/** Images whose configurations differ can have the same layers: they lead there by the layer's short name. */
function linkOf(sys: Kernel, place: Place, id: string): string | undefined {
  return sys.readIfThere(join(layerFolder(place, id), 'link'))?.trim();
}

/** The short names that lead to this very folder; a kill may have come before one was written down in it. */
function ownNames(sys: Kernel, place: Place, id: string): string[] {
  const folder = linkFolder(place);
  return sys
    .readdirPath(folder)
    .filter((short) => id.startsWith(short) && sys.readlink(join(folder, short)) === `../${id}/diff`);
}

/** Gone at once under its name, however long the removal takes and wherever it is killed. */
function discard(sys: Kernel, place: Place, folder: string, id: string): void {
  const scratch = join(place.root, 'tmp');
  const name = `dropped-${id}`;
  const fd = sys.openat2(AT_FDCWD, scratch, O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0, 0);
  try {
    // What an earlier attempt was killed in.
    sys.removeTree(fd, name);
    sys.rename(join(folder, id), join(scratch, name));
    sys.removeTree(fd, name);
  } catch (error) {
    if (!refusedWith(error, 'ENOENT')) throw error;
  } finally {
    sys.close(fd);
  }
}

interface RestoreTag {
  readonly repository: string;
  readonly tag: string;
  readonly ours: string;
  readonly old: string;
}

/** Somebody may have given the tag to another image meanwhile: then it is theirs. Takes the lock. */
export function restoreTag(sys: Kernel, place: Place, { repository, tag, ours, old }: RestoreTag): void {
  underLock(sys, place, () => {
    if (readTags(sys, place).get(repository)?.get(tag) !== ours) return;
    if (old !== '') setTag(sys, place, repository, tag, old);
    else removeTags(sys, place, [{ repository, key: tag }]);
    // Where there were no names before there was no file.
    if (readTags(sys, place).size === 0) sys.unlink(place.repositories);
  });
}
