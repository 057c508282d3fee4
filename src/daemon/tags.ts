/**
 * The TagStore: `repositories-overlay`, one JSON object from repository to tag to image id, read anew at each lookup. What
 * was pulled by its digest stands there under `sha256:<hex>` in place of a tag.
 */
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badImage, imageIds, readImage } from './images.ts';
import { underLock } from './lock.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { nameIn, parseReference, type Name, type Reference } from './reference.ts';
import { isId } from './store.ts';

/** Maps, not objects: a repository may be called `constructor`. */
export type Tags = ReadonlyMap<string, ReadonlyMap<string, string>>;

export function readTags(sys: Kernel, place: Place): Tags {
  const text = sys.readIfThere(place.repositories);
  if (text === undefined) return new Map();
  try {
    const { Repositories } = JSON.parse(text) as { Repositories: Record<string, Record<string, string>> };
    return new Map(Object.entries(Repositories).map(([name, tags]) => [name, new Map(Object.entries(tags))]));
  } catch (cause) {
    throw new TsDockError(
      'bad-image',
      `cannot read the names of the images: ${place.repositories} is damaged`,
      {
        remedy: 'Move the file away; the images stay reachable by their ids, and base is tagged anew.',
        cause,
      },
    );
  }
}

type Changing = Map<string, Map<string, string>>;

/** Needs the lock: what is read here is written back whole. */
function changeTags(sys: Kernel, place: Place, change: (tags: Changing) => void): void {
  const tags: Changing = new Map([...readTags(sys, place)].map(([name, known]) => [name, new Map(known)]));
  change(tags);
  const Repositories = Object.fromEntries(
    [...tags].map(([name, known]) => [name, Object.fromEntries(known)]),
  );
  sys.replaceFile(place.repositories, JSON.stringify({ Repositories }));
}

/** Needs the lock. @param tag - or a digest. */
export function setTag(sys: Kernel, place: Place, repository: string, tag: string, id: string): void {
  changeTags(sys, place, (tags) => {
    tags.set(repository, (tags.get(repository) ?? new Map<string, string>()).set(tag, id));
  });
}

/** Needs the lock. */
export function removeTags(sys: Kernel, place: Place, names: readonly Name[]): void {
  if (names.length === 0) return;
  changeTags(sys, place, (tags) => {
    for (const { repository, key } of names) {
      tags.get(repository)?.delete(key);
      if (tags.get(repository)?.size === 0) tags.delete(repository);
    }
  });
}

/** Gives an image that is there a name, under the lock. The id of the image that had the name and loses it. */
export function tagImage(sys: Kernel, place: Place, name: Name, id: string): string | undefined {
  return underLock(sys, place, () => {
    readImage(sys, place, id);
    const before = readTags(sys, place).get(name.repository)?.get(name.key);
    if (before === id) return undefined;
    setTag(sys, place, name.repository, name.key, id);
    return before;
  });
}

/** Every name that an image has, in the order of the file. */
export function namesOf(tags: Tags, id: string): Name[] {
  return [...tags].flatMap(([repository, known]) =>
    [...known].flatMap(([key, named]) => (named === id ? [{ repository, key }] : [])),
  );
}

/** Which image a user means. */
export interface Meant {
  readonly id: string;
  /** The name that led there; undefined: it was an id, or the beginning of one. */
  readonly name: Name | undefined;
}

/** The image that a user means, whose files nobody has looked at yet. @throws TsDockError `no-such-image`. */
export function meantImage(sys: Kernel, place: Place, text: string): Meant {
  const hex = text.replace(/^sha256:/, '');
  // A whole id is that id and nothing else, so that no name can stand in for it.
  if (isId(hex) && sys.exists(`${place.graph}/${hex}`)) return { id: hex, name: undefined };
  const reference = attempt(text);
  const found = reference instanceof TsDockError ? undefined : byName(readTags(sys, place), reference);
  if (found !== undefined) return found;
  const id = byPrefix(imageIds(sys, place), hex);
  if (id === undefined) throw noSuchImage(text, reference);
  return { id, name: undefined };
}

/** The image that a user means: a whole id, a name, an id's beginning within a repository, an id's unique beginning. */
export function lookupImage(sys: Kernel, place: Place, text: string): Image {
  const { id } = meantImage(sys, place, text);
  if (!isId(id)) throw badImage(id, `${text} is tagged with what is not an image id`);
  return readImage(sys, place, id);
}

function attempt(text: string): Reference | TsDockError {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
}

function byName(tags: Tags, reference: Reference): Meant | undefined {
  const name = nameIn(reference);
  const known = tags.get(name.repository);
  if (known === undefined) return undefined;
  const exact = known.get(name.key);
  if (exact !== undefined) return { id: exact, name };
  const id = byPrefix([...new Set(known.values())], name.key);
  return id === undefined ? undefined : { id, name: undefined };
}

/** Two matches count as none, as in Docker 1.2.0: a name that means two images means neither. */
function byPrefix(ids: readonly string[], prefix: string): string | undefined {
  if (!/^[0-9a-f]+$/.test(prefix)) return undefined;
  const matches = ids.filter((id) => id.startsWith(prefix));
  return matches.length === 1 ? matches[0] : undefined;
}

function noSuchImage(text: string, reference: Reference | TsDockError): TsDockError {
  const remedy =
    '`ts-dock images` lists what is there, `ts-dock pull` fetches from a registry; `base` is made from the programs of this host when it is asked for.';
  if (reference instanceof TsDockError) {
    return new TsDockError(
      'no-such-image',
      `cannot find image: No such image: ${JSON.stringify(text.slice(0, 300))}`,
      { means: `It is no name: ${reference.message}.`, remedy },
    );
  }
  const { repository, key } = nameIn(reference);
  const shown = reference.digest === '' ? `${repository} (tag: ${key})` : `${repository}@${key}`;
  return new TsDockError('no-such-image', `cannot find image: No such image: ${shown}`, { remedy });
}
