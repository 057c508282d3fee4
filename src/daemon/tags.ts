/** The TagStore: `repositories-overlay`, one JSON object from repository to tag to image id, read anew at each lookup. */
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badImage, imageIds, readImage } from './images.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { DEFAULT_TAG, parseReference } from './reference.ts';
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

/** Needs the lock: what is read here is written back whole. */
export function setTag(sys: Kernel, place: Place, repository: string, tag: string, id: string): void {
  const tags = new Map([...readTags(sys, place)].map(([name, known]) => [name, new Map(known)]));
  tags.set(repository, (tags.get(repository) ?? new Map<string, string>()).set(tag, id));
  const Repositories = Object.fromEntries(
    [...tags].map(([name, known]) => [name, Object.fromEntries(known)]),
  );
  sys.replaceFile(place.repositories, JSON.stringify({ Repositories }));
}

/** The image that a user means: exact tag, else an id's beginning within the repository, else an id's unique beginning. */
export function lookupImage(sys: Kernel, place: Place, reference: string): Image {
  const { repository, tag } = parseReference(reference);
  const wanted = tag === '' ? DEFAULT_TAG : tag;
  const known = readTags(sys, place).get(repository);
  const id =
    (known === undefined ? undefined : within(known, wanted)) ?? byPrefix(imageIds(sys, place), reference);
  if (id === undefined) throw noSuchImage(reference, wanted);
  if (!isId(id)) throw badImage(id, `${reference} is tagged with what is not an image id`);
  return readImage(sys, place, id);
}

function within(tags: ReadonlyMap<string, string>, wanted: string): string | undefined {
  return tags.get(wanted) ?? byPrefix([...new Set(tags.values())], wanted);
}

/** Two matches count as none, as in Docker 1.2.0: a name that means two images means neither. */
function byPrefix(ids: readonly string[], prefix: string): string | undefined {
  if (!/^[0-9a-f]+$/.test(prefix)) return undefined;
  const matches = ids.filter((id) => id.startsWith(prefix));
  return matches.length === 1 ? matches[0] : undefined;
}

function noSuchImage(reference: string, tag: string): TsDockError {
  const { repository } = parseReference(reference);
  return new TsDockError('no-such-image', `cannot find image: No such image: ${repository} (tag: ${tag})`, {
    means: 'ts-dock does not fetch images from a registry; it has what lies in its graph folder.',
    remedy:
      '`ts-dock images` lists what is there; `base` is made from the programs of this host when it is asked for.',
  });
}
