/**
 * What a container has changed: its read-write layer beside the layers below it. All of it through descriptors and without
 * following a link, as the container may be changing the tree at this moment; what goes while we look is not there.
 */
import { posix } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Stat } from '../kernel/binding.ts';
import { ancestryOf, readImage } from './images.ts';
import { INIT_FILES, INIT_MOUNTS } from './init-layer.ts';
import { diffOf, initLayerOf, linkFolder, shortNameOf } from './layers.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';
import { isOpaque, isWhiteout, typeOf } from './overlay-marks.ts';

/** Added, changed, deleted. */
export type ChangeKind = 'A' | 'C' | 'D';

export interface LayerChange {
  readonly kind: ChangeKind;
  /** In the container, absolute. */
  readonly path: string;
}

/** A container that makes folders in folders without end must not keep us, or hold all our memory. */
const MOST_DEPTH = 1024;
const MOST_CHANGES = 2_000_000;

const STRICT = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS;
const LOOK = O.PATH | O.NOFOLLOW | O.CLOEXEC;
const FOLDER = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;

/** Sorted by path, as Docker prints them. */
export function changesOf(sys: Kernel, place: Place, container: Container): LayerChange[] {
  const ancestry = ancestryOf(sys, place, readImage(sys, place, container.Image));
  const folders = [
    diffOf(place, container.ID),
    diffOf(place, initLayerOf(container.ID)),
    ...ancestry.map((id) => posix.join(linkFolder(place), shortNameOf(sys, place, id))),
  ];
  const layers: number[] = [];
  try {
    for (const folder of folders)
      layers.push(sys.openat2(AT_FDCWD, folder, O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0));
    const [upper = -1, ...lowers] = layers;
    return compareLayers(sys, upper, lowers);
  } finally {
    for (const layer of layers) sys.close(layer);
  }
}

/**
 * @param upper - descriptor of the layer that is looked at
 * @param lowers - of those below it, the nearest first
 */
export function compareLayers(sys: Kernel, upper: number, lowers: readonly number[]): LayerChange[] {
  const changes = new Comparison(sys.sparing(), upper).run(lowers);
  return withoutMounts(changes).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** A place for a mount is made by starting, and is of interest only if something lies in it. */
function withoutMounts(changes: readonly LayerChange[]): LayerChange[] {
  const mounts = new Set(INIT_MOUNTS.map((path) => `/${path}`));
  const parents = new Set(
    changes.filter(({ path }) => !mounts.has(path)).flatMap(({ path }) => parentsOf(path)),
  );
  return changes.filter(({ path }) => !mounts.has(path) || parents.has(path));
}

function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1))
    parents.push(path.slice(0, at));
  return parents;
}

interface Folder {
  /** Relative; empty for the top. */
  readonly path: string;
  readonly depth: number;
  /** The lower layers in which it is seen, as descriptors of their tops. */
  readonly below: readonly number[];
  /** It, or one above it, hides what lies below. */
  readonly cut: boolean;
}

/** What the lower layers together have of a name. */
type Below =
  { readonly is: 'nothing' | 'leaf' } | { readonly is: 'folder'; readonly layers: readonly number[] };

class Comparison {
  private readonly changes: LayerChange[] = [];
  private readonly folders: Folder[] = [];
  private readonly sys: Kernel;
  private readonly upper: number;
  private readonly hidden = new Set(INIT_FILES);

  constructor(sys: Kernel, upper: number) {
    this.sys = sys;
    this.upper = upper;
  }

  run(lowers: readonly number[]): LayerChange[] {
    this.folders.push({ path: '', depth: 0, below: lowers, cut: false });
    // One folder is open at a time, each from the top: a deep tree costs no descriptors, and a moved one leads nowhere.
    for (let next = this.folders.pop(); next !== undefined; next = this.folders.pop()) this.visit(next);
    return this.changes;
  }

  private visit(folder: Folder): void {
    const fd = openDeep(this.sys, this.upper, folder.path, FOLDER);
    if (fd === undefined) return;
    try {
      const cut = folder.cut || isOpaque(this.sys, fd);
      const names = this.sys.readdir(fd);
      for (const name of names) {
        const found = this.sys.fstatatIfThere(fd, name);
        if (found !== undefined) this.compare({ ...folder, cut }, posix.join(folder.path, name), found);
      }
      if (cut) this.missing(folder, new Set(names));
    } finally {
      this.sys.close(fd);
    }
  }

  private compare({ depth, below, cut }: Folder, path: string, found: Stat): void {
    const under = this.under(below, path);
    if (isWhiteout(found)) {
      if (under.is !== 'nothing') this.note('D', path);
      return;
    }
    this.note(under.is === 'nothing' ? 'A' : 'C', path);
    if (typeOf(found) !== 'directory') return;
    if (depth >= MOST_DEPTH) throw tooMuch(`/${path.slice(0, 80)}… lies in more than ${MOST_DEPTH} folders`);
    this.folders.push({ path, depth: depth + 1, below: under.is === 'folder' ? under.layers : [], cut });
  }

  /** A folder that was removed and made anew hides all that it had: what is not in it again is deleted. */
  private missing({ path, below }: Folder, present: ReadonlySet<string>): void {
    const names = new Set<string>();
    for (const layer of below) {
      const fd = openDeep(this.sys, layer, path, FOLDER);
      if (fd === undefined) continue;
      for (const name of this.sys.readdir(fd)) names.add(name);
      this.sys.close(fd);
    }
    for (const name of names) {
      const whole = posix.join(path, name);
      if (!present.has(name) && this.under(below, whole).is !== 'nothing') this.note('D', whole);
    }
  }

  private under(layers: readonly number[], path: string): Below {
    const seen: number[] = [];
    for (const layer of layers) {
      const fd = openDeep(this.sys, layer, path, LOOK);
      if (fd === undefined) continue;
      try {
        const found = this.sys.fstat(fd);
        if (isWhiteout(found)) break;
        if (typeOf(found) !== 'directory') return seen.length === 0 ? { is: 'leaf' } : folders(seen);
        seen.push(layer);
        if (hidesBelow(this.sys, fd)) break;
      } finally {
        this.sys.close(fd);
      }
    }
    return seen.length === 0 ? { is: 'nothing' } : folders(seen);
  }

  private note(kind: ChangeKind, path: string): void {
    if (this.hidden.has(path)) return;
    if (this.changes.length >= MOST_CHANGES) throw tooMuch(`there are more than ${MOST_CHANGES} changes`);
    this.changes.push({ kind, path: `/${path}` });
  }
}

function hidesBelow(sys: Kernel, folder: number): boolean {
  const fd = sys.openat2(folder, '.', FOLDER);
  try {
    return isOpaque(sys, fd);
  } finally {
    sys.close(fd);
  }
}

const folders = (layers: readonly number[]): Below => ({ is: 'folder', layers });

/** The kernel takes paths of a page: a longer one is walked in parts. */
const MOST_PATH = 3000;

/** Undefined where it is not there, or is not what was asked for (any more). */
function openDeep(sys: Kernel, top: number, path: string, flags: number): number | undefined {
  let from = top;
  let rest = path === '' ? '.' : path;
  try {
    while (Buffer.byteLength(rest) > MOST_PATH) {
      const cut = rest.lastIndexOf('/', MOST_PATH / 4);
      if (cut <= 0) return undefined;
      const next = sys.openat2(from, rest.slice(0, cut), O.PATH | O.DIRECTORY | O.CLOEXEC, 0, STRICT);
      if (from !== top) sys.close(from);
      from = next;
      rest = rest.slice(cut + 1);
    }
    return sys.openat2(from, rest, flags, 0, STRICT);
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return undefined;
    throw error;
  } finally {
    if (from !== top) sys.close(from);
  }
}

function tooMuch(why: string): TsDockError {
  return new TsDockError('limit', `cannot list the changes: ${why}`, {
    means: 'A container can make more of them than anybody could look at.',
  });
}
