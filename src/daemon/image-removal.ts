/**
 * `rmi`: names go first, then an image that nobody names, uses or stands on, then what nothing else stands on. Each folder
 * is moved away in one piece before it is taken apart, so that nobody ever meets half a layer, and whoever comes after a
 * `rmi` that was killed finds whole things only: the next `rmi` removes what is left over.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { randomHex } from '../kernel/random.ts';
import { containerIds, listContainers } from './containers.ts';
import { recordImageEvent } from './events.ts';
import { Graph, isMadeToRun } from './graph.ts';
import { imageMakers } from './image-makers.ts';
import { NO_LAYERS } from './image-store.ts';
import { imageIds } from './images.ts';
import { removeFolder } from './layer-store.ts';
import { diffOf, layerFolder, layerOf, linkFolder, linkTo } from './layers.ts';
import { underLock } from './lock.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';
import { isDigest, nameText, type Name } from './reference.ts';
import { clearScratch, isId, scratchFolder, shortId } from './store.ts';
import { supervisedBy } from './supervision.ts';
import { meantImage, namesOf, readTags, removeTags, type Meant, type Tags } from './tags.ts';

export interface RemovalOptions {
  /** `rmi -f`: by its id also an image that has several names. */
  readonly force: boolean;
  /** Of what the image stood on, what nothing else stands on goes too, and what is left over from killed commands. */
  readonly prune: boolean;
}

export interface Removal {
  readonly id: string;
  readonly untagged: readonly Name[];
  /** The image's id, and those of layers, as they went. */
  readonly deleted: readonly string[];
  /** What is at work: the image stays for now, though nobody names it any more. */
  readonly busy: readonly string[];
}

/**
 * Removes what a user means. Takes the lock.
 *
 * @throws TsDockError `image-in-use`, `no-such-image`; then nothing has changed
 */
export function removeImage(sys: Kernel, place: Place, text: string, options: RemovalOptions): Removal {
  const removal = underLock(sys, place, () => {
    // What an earlier removal was killed over.
    clearScratch(sys, place);
    return remove(sys, place, meantImage(sys, place, text), options);
  });
  for (const name of removal.untagged) recordImageEvent(place, 'untag', removal.id, nameText(name));
  if (removal.deleted.includes(removal.id)) recordImageEvent(place, 'delete', removal.id, '');
  return removal;
}

function remove(sys: Kernel, place: Place, meant: Meant, options: RemovalOptions): Removal {
  const { id } = meant;
  const tags = readTags(sys, place);
  const names = namesOf(tags, id);
  const going = namesThatGo(meant, names, options.force);
  const untagged = (busy: readonly string[] = []): Removal => {
    removeTags(sys, place, going);
    return { id, untagged: going, deleted: [], busy };
  };
  // Also a name that leads to nothing.
  if (going.length < names.length || !isId(id) || !sys.exists(join(place.graph, id))) return untagged();
  const containers = knownContainers(sys, place);
  refuseUsed(sys, place, meant, containers);
  const graph = Graph.read(sys, place);
  const needed = neededImages(graph, tags, containers, id);
  if (needed.has(id)) {
    if (meant.name === undefined) throw stoodOn(id);
    return untagged();
  }
  const busy = imageMakers(sys, place);
  if (busy.length > 0) {
    if (names.length === 0) throw atWork(id, busy);
    return untagged(busy);
  }
  removeTags(sys, place, going);
  const swept = sweep(sys, place, graph, needed, id, options.prune);
  return { id, untagged: going, deleted: swept.deleted, busy: swept.busy };
}

// --- names ----------------------------------------------------------------------------------------------------------

/** Docker's rules: a name takes itself away, and the digests that came with it; an id takes all, if they are one name. */
function namesThatGo({ id, name }: Meant, names: readonly Name[], force: boolean): readonly Name[] {
  if (name === undefined) {
    const tagged = names.filter(({ key }) => !isDigest(key));
    const repositories = new Set(names.map(({ repository }) => repository));
    if (!force && (tagged.length > 1 || repositories.size > 1)) throw severalNames(id, names);
    return names;
  }
  const rest = names.filter(({ repository, key }) => repository !== name.repository || key !== name.key);
  const isDigestOfIt = ({ repository, key }: Name): boolean =>
    repository === name.repository && isDigest(key);
  return !isDigest(name.key) && rest.every(isDigestOfIt) ? [name, ...rest] : [name];
}

function severalNames(id: string, names: readonly Name[]): TsDockError {
  const shown = names.map(nameText).join(', ');
  return new TsDockError(
    'image-in-use',
    `cannot remove image ${shortId(id)}: it has several names: ${shown}`,
    {
      means: 'Whoever uses one of them would miss it. Nothing was removed.',
      remedy: 'Remove the names one by one, or all of them with `ts-dock rmi -f`.',
    },
  );
}

// --- who needs it ---------------------------------------------------------------------------------------------------

/** All of them: one whose files cannot be read may stand on anything. */
function knownContainers(sys: Kernel, place: Place): Container[] {
  return listContainers(sys, place, (why) => {
    throw new TsDockError('bad-config', `cannot remove images: ${why}`, {
      means: 'Nobody can tell which image that container needs.',
      remedy: 'Repair the file or remove the container, with `ts-dock rm`.',
    });
  }).map(({ container }) => container);
}

function refuseUsed(sys: Kernel, place: Place, { id, name }: Meant, containers: readonly Container[]): void {
  const users = containers.filter(({ Image }) => Image === id);
  const runs = users.find((container) => supervisedBy(sys, place, container).phase !== 'idle');
  const user = runs ?? users[0];
  if (user === undefined) return;
  const shown = name === undefined ? shortId(id) : nameText(name);
  const called = `${user.Name.slice(1)} (${shortId(user.ID)})`;
  if (runs !== undefined)
    throw new TsDockError('image-in-use', `cannot remove image ${shown}: container ${called} runs on it`, {
      means:
        'The container’s root is mounted from its layers. Nothing was removed, and -f does not change that.',
      remedy: `\`ts-dock rm -f ${user.Name.slice(1)}\` ends and removes the container.`,
    });
  throw new TsDockError(
    'image-in-use',
    `cannot remove image ${shown}: container ${called} was made from it`,
    {
      means:
        'The container does not run, but could not be started again without its layers. Nothing was removed, and -f does not change that.',
      remedy: `\`ts-dock rm ${user.Name.slice(1)}\` removes the container.`,
    },
  );
}

/** Named, used, or made to be run, and all that these stand on; `gone` counts as none of these itself. */
function neededImages(
  graph: Graph,
  tags: Tags,
  containers: readonly Container[],
  gone: string,
): ReadonlySet<string> {
  const roots = [
    ...[...tags.values()].flatMap((known) => [...known.values()]),
    ...containers.map(({ Image }) => Image),
    ...[...graph.images.values()].filter(isMadeToRun).map(({ id }) => id),
  ];
  const needed = new Set<string>();
  for (const root of roots) {
    if (root === gone) continue;
    for (let next: string | undefined = root; next !== undefined && !needed.has(next);) {
      needed.add(next);
      next = graph.images.get(next)?.parent;
    }
  }
  return needed;
}

function stoodOn(id: string): TsDockError {
  return new TsDockError('image-in-use', `cannot remove image ${shortId(id)}: another image stands on it`, {
    means: 'Its layer is one of that image’s. Nothing was removed.',
    remedy: 'It goes with the last image that stands on it; `ts-dock images -a` lists them all.',
  });
}

function atWork(id: string, busy: readonly string[]): TsDockError {
  return new TsDockError(
    'image-in-use',
    `cannot remove image ${shortId(id)} while ${busy[0] ?? 'another ts-dock'} is at work`,
    {
      means: 'It may count on the image’s layers. Nothing was removed.',
      remedy: 'Try again when it is over.',
    },
  );
}

// --- removing -------------------------------------------------------------------------------------------------------

interface Swept {
  readonly deleted: readonly string[];
  readonly busy: readonly string[];
}

function sweep(
  sys: Kernel,
  place: Place,
  graph: Graph,
  needed: ReadonlySet<string>,
  id: string,
  prune: boolean,
): Swept {
  const own = layersFromTop(sys, place, graph, id);
  // What a damaged image stands on is not known. A folder without a json is no image any more.
  const isSure = (other: string): boolean => graph.damaged.get(other)?.reason !== 'bad-image';
  const whole = prune && [...graph.damaged.keys()].every((other) => other === id || isSure(other));
  const all = imageIds(sys, place);
  const goes = (other: string): boolean => other === id || (whole && !needed.has(other) && isSure(other));
  const staying = new Set(all.filter((other) => !goes(other)));
  const containers = new Set(containerIds(sys, place));
  const used = new Set([...staying, ...containers]);
  for (const other of staying) layerIfThere(sys, place, other).forEach((layer) => used.add(layer));
  const candidates = whole ? sys.readdirPath(place.overlay) : [id, ...own.slice(0, 1)];
  const layers = candidates.filter((name) => isId(name) && !used.has(name) && isLayer(sys, place, name));
  // The image first: without it, what is left is left over.
  const images = all.filter(goes).sort((a, b) => Number(b === id) - Number(a === id));
  const away = new Away(sys, place);
  for (const image of images) away.image(image);
  const real = layers.filter((layer) => away.layer(layer));
  away.danglingLinks();
  // Begun, and maybe over, since we looked: it has found there what is not there now.
  const busy = imageMakers(sys, place);
  const isNew =
    imageIds(sys, place).some((other) => !staying.has(other)) ||
    containerIds(sys, place).some((other) => !containers.has(other));
  if (busy.length > 0 || isNew) {
    away.back();
    return { deleted: [], busy: busy.length > 0 ? busy : ['another ts-dock'] };
  }
  clearScratch(sys, place);
  if (whole) forgetStaging(sys, place);
  const gone = new Set(real);
  const inOrder = [...own.filter((layer) => gone.has(layer)), ...real];
  return { deleted: [...new Set([id, ...inOrder])].filter((name) => name !== NO_LAYERS), busy: [] };
}

/** As far as they can be found: an image that is damaged can be removed all the same. */
function layersFromTop(sys: Kernel, place: Place, graph: Graph, id: string): string[] {
  const ids: string[] = [];
  for (let next: string | undefined = id; next !== undefined && !ids.includes(next);) {
    ids.push(next);
    next = graph.images.get(next)?.parent;
  }
  return ids.flatMap((each) => layerIfThere(sys, place, each));
}

function layerIfThere(sys: Kernel, place: Place, id: string): string[] {
  try {
    return [layerOf(sys, place, id)];
  } catch (error) {
    if (error instanceof TsDockError) return [];
    throw error;
  }
}

/** Not the writable layer of a container, which has none of these files; nor one that is being made, which has `work`. */
function isLayer(sys: Kernel, place: Place, name: string): boolean {
  const has = (part: string): boolean => sys.exists(join(layerFolder(place, name), part));
  return (has('link') || has('diff-id')) && !has('work');
}

/** The short-lived folders of an image's registration whose process was killed. */
function forgetStaging(sys: Kernel, place: Place): void {
  if (!sys.exists(place.work)) return;
  for (const name of sys.readdirPath(place.work))
    if (name.startsWith('image-')) removeFolder(sys, place.work, name);
}

/** Where things are until it is sure that they go. A kill leaves them to {@link clearScratch}. */
class Away {
  private readonly sys: Kernel;
  private readonly place: Place;
  private readonly folder: string;
  private readonly moved: (readonly [from: string, to: string])[] = [];
  private readonly links: (readonly [path: string, target: string])[] = [];

  constructor(sys: Kernel, place: Place) {
    this.sys = sys;
    this.place = place;
    this.folder = scratchFolder(sys, place, `rmi-${randomHex(8)}`);
  }

  image(id: string): void {
    this.move(join(this.place.graph, id), `graph-${id}`);
  }

  /** True: it is a layer, not only a link to one. */
  layer(name: string): boolean {
    const isReal = this.sys.exists(diffOf(this.place, name));
    this.move(layerFolder(this.place, name), `overlay-${name}`);
    return isReal;
  }

  /** Also those that an earlier removal was killed over. */
  danglingLinks(): void {
    const { sys, place } = this;
    for (const short of sys.readdirPath(linkFolder(place))) {
      const link = join(linkFolder(place), short);
      if (sys.exists(link)) continue;
      this.links.push([link, sys.readlink(link)]);
      sys.unlink(link);
    }
  }

  private move(from: string, name: string): void {
    const to = join(this.folder, name);
    this.sys.rename(from, to);
    this.moved.push([from, to]);
  }

  /** What somebody has made anew meanwhile stays. */
  back(): void {
    for (const [path, target] of this.links) linkTo(this.sys, path, target);
    for (const [from, to] of [...this.moved].reverse()) if (!this.sys.exists(from)) this.sys.rename(to, from);
  }
}
