/** Containers on disk: `containers/<id>/{config.json,hostconfig.json}`. Docker's idIndex and contStore are read from here. */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { underLock } from './lock.ts';
import { EMPTY_CONFIG, EMPTY_HOST_CONFIG, EMPTY_STATE, type Container, type HostConfig } from './model.ts';
import type { Place } from './place.ts';
import { isId, shortId } from './store.ts';

export interface StoredContainer {
  readonly container: Container;
  readonly hostConfig: HostConfig;
}

export const containerFolder = (place: Place, id: string): string => join(place.containers, id);
const configPath = (place: Place, id: string): string => join(containerFolder(place, id), 'config.json');
const hostConfigPath = (place: Place, id: string): string =>
  join(containerFolder(place, id), 'hostconfig.json');

/** Holds a run's id while that run has the container: only one run can make the file. */
export const startLease = (place: Place, id: string): string =>
  join(containerFolder(place, id), 'started-by');

/** The ids of all containers, Docker's idIndex. A folder without config.json is one that is being made, or was left half made. */
export function containerIds(sys: Kernel, place: Place): string[] {
  return sys.readdirPath(place.containers).filter(isId).sort();
}

/** The contStore. Whatever cannot be read is reported and passed over: one torn file must not take the others along. */
export function listContainers(
  sys: Kernel,
  place: Place,
  warn: (text: string) => void = () => undefined,
): StoredContainer[] {
  return containerIds(sys, place).flatMap((id) => {
    try {
      return readStored(sys, place, id) ?? [];
    } catch (error) {
      if (!(error instanceof TsDockError)) throw error;
      warn(error.message);
      return [];
    }
  });
}

/** Exactly this container. */
export function containerById(sys: Kernel, place: Place, id: string): Container {
  const stored = readStored(sys, place, id);
  if (stored === undefined) throw noSuchContainer(id);
  return stored.container;
}

export function readStored(sys: Kernel, place: Place, id: string): StoredContainer | undefined {
  if (!isId(id)) return undefined;
  const container = readJson<Container>(sys, configPath(place, id), id);
  if (container === undefined) return undefined;
  if (container.ID !== id) throw damaged(configPath(place, id), id);
  const hostConfig = readJson<HostConfig>(sys, hostConfigPath(place, id), id);
  // Keys that an older ts-dock did not write have their empty values.
  return {
    container: {
      ...container,
      Config: { ...EMPTY_CONFIG, ...container.Config },
      State: { ...EMPTY_STATE, ...container.State },
    },
    hostConfig: { ...EMPTY_HOST_CONFIG, ...hostConfig },
  };
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows what it wrote there
function readJson<T>(sys: Kernel, path: string, id: string): T | undefined {
  const text = sys.readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as T;
  } catch (cause) {
    throw damaged(path, id, cause);
  }
  throw damaged(path, id);
}

function damaged(path: string, id: string, cause?: unknown): TsDockError {
  return new TsDockError('bad-config', `cannot read container ${shortId(id)}: ${path} is damaged`, {
    means: 'The container is left out of lists and cannot be started.',
    remedy: `Remove it with \`ts-dock rm ${shortId(id)}\`, or repair the file.`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Synced to the disk, unless the container goes with its run (`--rm`): then nobody will look for it after a power cut. */
export function saveContainer(
  sys: Kernel,
  place: Place,
  container: Container,
  { AutoRemove }: HostConfig,
): string {
  const path = configPath(place, container.ID);
  if (AutoRemove) sys.replaceFileLoosely(path, JSON.stringify(container));
  else sys.replaceFile(path, JSON.stringify(container));
  return path;
}

export function saveHostConfig(sys: Kernel, place: Place, id: string, hostConfig: HostConfig): string {
  const path = hostConfigPath(place, id);
  if (hostConfig.AutoRemove) sys.replaceFileLoosely(path, JSON.stringify(hostConfig));
  else sys.replaceFile(path, JSON.stringify(hostConfig));
  return path;
}

/**
 * Reads config.json, changes it and writes it, while nobody else does: its supervisor, `pause` and `rename` may all want
 * to at the same moment. What was written; undefined where there is no such container. Never within the lock.
 */
export function changeContainer(
  sys: Kernel,
  place: Place,
  id: string,
  change: (container: Container) => Container,
): Container | undefined {
  return underLock(sys, place, () => {
    const stored = readStored(sys, place, id);
    if (stored === undefined) return undefined;
    const changed = change(stored.container);
    // The very same is not written again: a write is synced, and costs.
    if (changed !== stored.container) saveContainer(sys, place, changed, stored.hostConfig);
    return changed;
  });
}

/**
 * The id that a user means. A full id is that id and nothing else, so that no name can stand in for it (CVE-2014-5278);
 * then a name, or an id's unique beginning. Where a name and another id's beginning are the same word, neither wins.
 */
export function resolveContainer(sys: Kernel, place: Place, wanted: string): string {
  const ids = containerIds(sys, place);
  if (ids.includes(wanted)) return wanted;
  const byId = /^[0-9a-f]+$/.test(wanted) ? ids.filter((id) => id.startsWith(wanted)) : [];
  const byName = listContainers(sys, place)
    .filter(({ container }) => container.Name === `/${wanted.replace(/^\//, '')}`)
    .map(({ container }) => container.ID);
  const [first, ...others] = new Set([...byName, ...byId]);
  if (first === undefined) throw noSuchContainer(wanted);
  if (others.length > 0) throw ambiguous(wanted, [first, ...others]);
  return first;
}

export function findContainer(sys: Kernel, place: Place, wanted: string): StoredContainer {
  const stored = readStored(sys, place, resolveContainer(sys, place, wanted));
  if (stored === undefined) throw noSuchContainer(wanted);
  return stored;
}

/** There is a container of this id, even if its files are damaged. */
export function isRegistered(sys: Kernel, place: Place, id: string): boolean {
  return isId(id) && sys.exists(configPath(place, id));
}

/** Some run has it: from start.get-container on until its teardown. */
export function isStarted(sys: Kernel, place: Place, id: string): boolean {
  return sys.exists(startLease(place, id));
}

/** The run that has it, from its start until its teardown is over; undefined where none has. */
export function startedBy(sys: Kernel, place: Place, id: string): string | undefined {
  const run = sys.readIfThere(startLease(place, id));
  return run === '' ? undefined : run;
}

/** False where another run has it; who has it already keeps it. */
export function takeStart(sys: Kernel, place: Place, id: string, run: string): boolean {
  const lease = startLease(place, id);
  return underLock(sys, place, () => {
    // Whoever is killed between making and writing leaves an empty file, which is nobody's: writers hold the lock.
    const holder = sys.readIfThere(lease);
    if (holder === run) return true;
    if (holder === '') sys.unlink(lease);
    try {
      sys.createFile(lease, run);
      return true;
    } catch (error) {
      if (refusedWith(error, 'EEXIST')) return false;
      if (refusedWith(error, 'ENOENT')) throw noSuchContainer(id);
      throw error;
    }
  });
}

/** The shortest beginning that is this id's alone, at least 12 digits, as lists show it. */
export function uniquePrefix(ids: readonly string[], id: string): string {
  let length = 12;
  while (length < id.length && ids.some((other) => other !== id && other.startsWith(id.slice(0, length))))
    length += 1;
  return id.slice(0, length);
}

export function noSuchContainer(wanted: string): TsDockError {
  return new TsDockError('no-such-container', `cannot find container: No such container: ${wanted}`, {
    remedy: '`ts-dock ps -a` lists what is there.',
  });
}

function ambiguous(wanted: string, ids: readonly string[]): TsDockError {
  return new TsDockError(
    'ambiguous-reference',
    `cannot tell which container ${wanted} is: ${ids.map(shortId).join(', ')}`,
    {
      remedy: 'Give more digits of its id.',
    },
  );
}
