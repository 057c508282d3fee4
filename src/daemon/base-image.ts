/**
 * The embedded base image: `base:latest`, made when it is first asked for, from the host's own programs and with nothing
 * downloaded. Three layers: a skeleton of folders and accounts, programs with their libraries, a greeting.
 *
 * Ids come from content. A layer's digest is of its canonical listing (layer-files.ts); an image's id is the sha256 of its
 * JSON without `id` (parent, config, size, a time that is always the same) and of that digest. The layer's folder bears the
 * image's id, as in Docker 1.2. So the same programs give the same ids whenever, wherever and by whomever they are put
 * together, and making the image anew where a part of it is lost brings back exactly that part.
 */
import { sha256 } from '../kernel/hash.ts';
import { basename, join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { BASE_CONFIG, GREETING_ENTRIES, mergedFolders, SKELETON } from './base-image-files.ts';
import { basePrograms, type FindProgram } from './base-image-programs.ts';
import { MAX_IMAGE_DEPTH, parseImage, readImage, storeImage } from './images.ts';
import { digestFolder, putEntries, type Entries } from './layer-files.ts';
import { adoptLayer, diffOf, layerFolder, linkFolder, shortNameOf } from './layers.ts';
import { underLock } from './lock.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { DEFAULT_TAG } from './reference.ts';
import { clearScratch, isId, makeDir, scratchFolder, shortId } from './store.ts';
import { readTags, setTag } from './tags.ts';

export const BASE_IMAGE = 'base';

/** The conventional time of what is made reproducibly. */
const CREATED = '1970-01-01T00:00:00Z';

/** Does nothing where `base:latest` is whole; else makes it, and says in a line of what. */
export function ensureBaseImage(
  sys: Kernel,
  place: Place,
  say: (text: string) => void,
  find: FindProgram = (name) => sys.findProgram(name),
): void {
  if (isWhole(sys, place)) return;
  const made = underLock(sys, place, () => {
    // Somebody else may have made it while we waited.
    if (isWhole(sys, place)) return undefined;
    clearScratch(sys, place);
    const text = makeBaseImage(sys, place, find);
    clearScratch(sys, place);
    return text;
  });
  if (made !== undefined) say(made);
}

/** Looks at what a run will need of it, short of reading the files. Few calls: this stands before every run. */
function isWhole(sys: Kernel, place: Place): boolean {
  let id = readTags(sys, place).get(BASE_IMAGE)?.get(DEFAULT_TAG);
  if (!isId(id)) return false;
  try {
    for (let layers = 0; id !== undefined && layers < MAX_IMAGE_DEPTH; layers += 1) {
      const json = sys.readIfThere(join(place.graph, id, 'json'));
      if (json === undefined || !isLinked(sys, place, id)) return false;
      id = parseImage(id, json).parent;
    }
    return id === undefined;
  } catch (error) {
    if (error instanceof TsDockError) return false;
    throw error;
  }
}

/** The link leads to the layer's `diff`: one look answers for both. */
function isLinked(sys: Kernel, place: Place, id: string): boolean {
  return sys.exists(join(linkFolder(place), shortNameOf(sys, place, id)));
}

function makeBaseImage(sys: Kernel, place: Place, find: FindProgram): string {
  const { from, entries } = basePrograms(sys, find);
  const skeleton = makeLayer(sys, place, 'skeleton', new Map([...mergedFolders(sys), ...SKELETON]));
  const programs = makeLayer(sys, place, 'programs', entries, skeleton);
  const greeting = makeLayer(sys, place, 'greeting', new Map(GREETING_ENTRIES), programs, {
    config: BASE_CONFIG,
  });
  // Last: killed before this line, the image is made anew by the next command, which finds the layers there.
  setTag(sys, place, BASE_IMAGE, DEFAULT_TAG, greeting.id);
  const megabytes = [skeleton, programs, greeting].reduce((sum, { Size }) => sum + Size, 0) / 1e6;
  return `Made base:latest from ${from}: 3 layers, ${megabytes.toFixed(1)} MB, id ${shortId(greeting.id)}`;
}

/** Stages a layer, learns its id from it, and puts it in its place with its image. */
function makeLayer(
  sys: Kernel,
  place: Place,
  name: string,
  entries: Entries,
  parent?: Image,
  more: Pick<Image, 'config'> = {},
): Image {
  const staged = scratchFolder(sys, place, `base-${name}`);
  const diff = join(staged, 'diff');
  makeDir(sys, diff, 0o755);
  sys.chown(diff, 0, 0);
  putEntries(sys, diff, entries);
  // Of the copies, not of the host's files: an upgrade of the host at this moment cannot make the name wrong.
  const { sha256, size } = digestFolder(sys, diff);
  const image = named(sha256, {
    ...(parent === undefined ? {} : { parent: parent.id }),
    comment: `${BASE_IMAGE}: ${name}`,
    created: CREATED,
    ...more,
    os: 'linux',
    Size: size,
  });
  adoptWhole(sys, place, image.id, sha256, staged);
  storeWhole(sys, place, image);
  return image;
}

function named(digest: string, rest: Omit<Image, 'id'>): Image {
  const id = sha256()
    .update(JSON.stringify([digest, rest]))
    .digest('hex');
  return { id, ...rest };
}

/** A layer of this id may be there from before, and may have lost a part since. A whole one stays: it may be in use. */
function adoptWhole(sys: Kernel, place: Place, id: string, digest: string, staged: string): void {
  const folder = layerFolder(place, id);
  const diff = diffOf(place, id);
  if (sys.exists(folder)) {
    if (!sys.exists(diff) || digestFolder(sys, diff).sha256 !== digest) discard(sys, place, 'layer', folder);
    // Without this file the layer is linked anew.
    else if (sys.exists(join(folder, 'link')) && !isLinked(sys, place, id)) sys.unlink(join(folder, 'link'));
  }
  adoptLayer(sys, place, id, staged);
}

function storeWhole(sys: Kernel, place: Place, image: Image): void {
  try {
    if (readImage(sys, place, image.id).Size === image.Size) return;
  } catch (error) {
    if (!(error instanceof TsDockError)) throw error;
  }
  const folder = join(place.graph, image.id);
  if (sys.exists(folder)) discard(sys, place, 'image', folder);
  storeImage(sys, place, image);
}

/** Moved away in one piece, and cleared with the scratch. */
function discard(sys: Kernel, place: Place, what: 'image' | 'layer', folder: string): void {
  sys.rename(folder, join(scratchFolder(sys, place, `lost-${what}-${basename(folder)}`), 'lost'));
}
