/** What the tests of the base image share: roots of their own, the image made in one, and a look inside by chroot. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { BASE_IMAGE, ensureBaseImage } from '../../src/daemon/base-image.ts';
import type { FindProgram } from '../../src/daemon/base-image-programs.ts';
import { ancestryOf, imageIds, readImage } from '../../src/daemon/images.ts';
import { digestFolder } from '../../src/daemon/layer-files.ts';
import { diffOf, linkFolder, shortNameOf } from '../../src/daemon/layers.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { prepareRoot } from '../../src/daemon/store.ts';
import { lookupImage } from '../../src/daemon/tags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

export const sys = new Kernel();
export const noBusybox: FindProgram = (name) => (name === 'busybox' ? undefined : sys.findProgram(name));
export const only =
  (...names: readonly string[]): FindProgram =>
  (name) =>
    names.includes(name) ? sys.findProgram(name) : undefined;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'base-image-'));
  folders.push(folder);
  return folder;
}

export function freshPlace(): Place {
  const place = placeOf(join(freshFolder(), 'root'));
  prepareRoot(sys, place);
  return place;
}

export function ensure(place: Place, find: FindProgram = noBusybox): string[] {
  const said: string[] = [];
  ensureBaseImage(sys, place, (text) => said.push(text), find);
  return said;
}

export const idOf = (place: Place): string => lookupImage(sys, place, BASE_IMAGE).id;
export const layersOf = (place: Place): string[] =>
  ancestryOf(sys, place, lookupImage(sys, place, BASE_IMAGE));

/** Everything that a command could trip over later: no scratch, and each link of a layer leads somewhere. */
export function expectWhole(place: Place, cleared = true): void {
  const layers = layersOf(place);
  expect(layers).toHaveLength(3);
  for (const id of layers) {
    expect(existsSync(join(linkFolder(place), shortNameOf(sys, place, id)))).toBe(true);
    expect(readImage(sys, place, id).Size).toBe(digestFolder(sys, diffOf(place, id)).size);
  }
  expect(imageIds(sys, place)).toEqual([...layers].sort());
  expect(readdirSync(place.overlay).sort()).toEqual([...layers, 'l', 'mnt'].sort());
  if (cleared) expect(readdirSync(join(place.root, 'tmp'))).toEqual([]);
}

/** The image as a container's root would show it, by chroot, and with /proc if it is asked for. */
export class Inside {
  readonly root = join(freshFolder(), 'merged');
  private readonly mounts: string[] = [];

  constructor(place: Place) {
    mkdirSync(this.root);
    const lower = layersOf(place).map((id) => diffOf(place, id));
    const own = join(freshFolder(), 'own');
    mkdirSync(join(own, 'upper'), { recursive: true });
    mkdirSync(join(own, 'work'));
    const options = `lowerdir=${lower.join(':')},upperdir=${join(own, 'upper')},workdir=${join(own, 'work')}`;
    this.mount('overlay', this.root, options);
  }

  mount(type: string, target: string, options = 'ro'): void {
    execFileSync('mount', ['-t', type, '-o', options, 'test', target]);
    this.mounts.push(target);
  }

  run(...command: readonly string[]): { status: number | null; text: string; errors: string } {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
    const chroot = sys.findProgram('chroot') ?? 'chroot';
    const done = spawnSync(chroot, [this.root, ...command], { encoding: 'utf8', env, timeout: 20_000 });
    return { status: done.status, text: done.stdout, errors: done.stderr };
  }

  end(): void {
    for (const target of this.mounts.splice(0).reverse()) execFileSync('umount', [target]);
  }
}
