/** rmi: which names go, when an image goes with them, what others keep, and what a kill half-way leaves. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ensureBaseImage } from '../../src/daemon/base-image.ts';
import { containerFolder, saveContainer } from '../../src/daemon/containers.ts';
import { readEvents } from '../../src/daemon/events.ts';
import { removeImage, type Removal } from '../../src/daemon/image-removal.ts';
import { layersOf, registerImage } from '../../src/daemon/image-store.ts';
import { storeImage } from '../../src/daemon/images.ts';
import { listImages } from '../../src/daemon/inspect.ts';
import { describeLayers, makeLayer } from '../../src/daemon/layer-store.ts';
import { EMPTY_CONFIG, EMPTY_HOST_CONFIG, EMPTY_STATE, type Container } from '../../src/daemon/model.ts';
import type { Place } from '../../src/daemon/place.ts';
import { nameText } from '../../src/daemon/reference.ts';
import { lookupImage, readTags, setTag } from '../../src/daemon/tags.ts';
import { Journal } from '../../src/engine/journal.ts';
import { drawTrace } from '../../src/engine/session.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { file, pieces, tarOf } from '../archive/rig-tar.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import {
  addLayer,
  because,
  bytesOf,
  configText,
  contents,
  expectTidy,
  freshPlace,
  layerWith,
  makeImage,
  sys,
} from './rig.ts';

const rmi = (place: Place, text: string, more: { force?: boolean; prune?: boolean } = {}): Removal =>
  removeImage(sys, place, text, { force: false, prune: true, ...more });
const names = (place: Place): string[] =>
  [...readTags(sys, place)].flatMap(([repository, tags]) =>
    [...tags.keys()].map((key) => nameText({ repository, key })),
  );
const NOTHING = { images: [], layers: [], links: [] };
const idOf = (beginning: string): string => beginning.padEnd(64, '0');
const digest = `sha256:${'d'.repeat(64)}`;

function container(place: Place, id: string, Image: string): void {
  mkdirSync(containerFolder(place, id));
  const config = { Config: EMPTY_CONFIG, State: EMPTY_STATE };
  saveContainer(sys, place, { ID: id, Name: '/web', Image, ...config } as Container, EMPTY_HOST_CONFIG);
}

describe.skipIf(skipUnlessRoot())('rmi of a name', () => {
  test('takes the image with its last name, and its layers, from the top to the lowest', async () => {
    const place = freshPlace();
    const { image, layers } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    expect(rmi(place, 'it')).toEqual({
      id: image.id,
      untagged: [{ repository: 'it', key: 'latest' }],
      deleted: [image.id, ...[...layers].reverse().map(({ chainId }) => chainId)],
      busy: [],
    });
    expect(contents(place)).toEqual(NOTHING);
    expect(names(place)).toEqual([]);
    expectTidy(place);
    expect(() => rmi(place, 'it')).toThrow(because('no-such-image'));
    expect(readEvents(sys, place)).toMatchObject([
      { action: 'untag', id: image.id, name: 'it:latest' },
      { action: 'delete', id: image.id, name: '' },
    ]);
  });

  test('leaves the image to its other names', async () => {
    const place = freshPlace();
    const { image } = await makeImage(place, [layerWith('a')], {}, 'it');
    setTag(sys, place, 'other', '1', image.id);
    const before = contents(place);
    expect(rmi(place, 'it')).toMatchObject({ untagged: [{ repository: 'it' }], deleted: [] });
    expect(contents(place)).toEqual(before);
    expect(lookupImage(sys, place, 'other:1').id).toBe(image.id);
    expect(rmi(place, 'other:1').deleted).toHaveLength(2);
    expect(contents(place)).toEqual(NOTHING);
  });

  test('takes the digests that came with it, but leaves another name of the image by its digest', async () => {
    const place = freshPlace();
    const { image } = await makeImage(place, [layerWith('a')], {}, 'it');
    setTag(sys, place, 'it', digest, image.id);
    setTag(sys, place, 'else', digest, image.id);
    expect(rmi(place, 'it').untagged.map(nameText)).toEqual(['it:latest']);
    expect(names(place)).toEqual([`it@${digest}`, `else@${digest}`]);
    expect(rmi(place, `else@${digest}`).deleted).toEqual([]);
    setTag(sys, place, 'it', 'v1', image.id);
    expect(rmi(place, 'it:v1').untagged.map(nameText)).toEqual(['it:v1', `it@${digest}`]);
    expect(contents(place)).toEqual(NOTHING);
  });

  test('leaves the layers that others have', async () => {
    const place = freshPlace();
    const below = [layerWith('a'), layerWith('b')];
    const one = await makeImage(place, [...below, layerWith('one')], {}, 'one');
    const two = await makeImage(place, [...below, layerWith('two')], {}, 'two');
    // A third stands on layer b as its own top, and one on layer a alone.
    const third = await makeImage(place, below, { config: { Cmd: ['third'] } }, 'third');
    expect(rmi(place, 'one').deleted).toEqual([one.image.id, one.layers[2]?.chainId]);
    expect(layersOf(sys, place, two.image)).toHaveLength(3);
    expect(rmi(place, 'third').deleted).toEqual([third.image.id]);
    expect((await bytesOf(place, two.layers[0]!.chainId)).equals(below[0]!)).toBe(true);
    expect(rmi(place, 'two').deleted).toHaveLength(4);
    expect(contents(place)).toEqual(NOTHING);
    expectTidy(place);
  });

  test('leaves an image without a name that somebody has made to be run', async () => {
    const place = freshPlace();
    const lost = await makeImage(place, [layerWith('a'), layerWith('lost')], {}, 'it');
    await makeImage(place, [layerWith('a'), layerWith('new')], {}, 'it');
    expect(listImages(sys, place, 'dangling').map(({ id }) => id)).toEqual([lost.image.id]);
    rmi(place, 'it');
    expect(listImages(sys, place).map(({ id }) => id)).toEqual([lost.image.id]);
    expect(layersOf(sys, place, lost.image)).toHaveLength(2);
    rmi(place, lost.image.id.slice(0, 12));
    expect(contents(place)).toEqual(NOTHING);
  });

  test('leaves the nameless images that it stood on where it is told to', async () => {
    const place = freshPlace();
    const { image, layers } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    expect(rmi(place, 'it', { prune: false }).deleted).toEqual([image.id, layers[1]?.chainId]);
    expect(contents(place)).toMatchObject({ images: [layers[0]?.chainId], layers: [layers[0]?.chainId] });
    await makeImage(place, [layerWith('x')], {}, 'x');
    rmi(place, 'x');
    expect(contents(place)).toEqual(NOTHING);
  });

  test('that leads to nothing, or to no id, takes the name away', () => {
    const place = freshPlace();
    setTag(sys, place, 'gone', 'latest', idOf('a'));
    setTag(sys, place, 'bad', 'latest', '../../..');
    rmi(place, 'gone');
    rmi(place, 'bad');
    expect(names(place)).toEqual([]);
    expect(existsSync(place.graph)).toBe(true);
  });
});

describe.skipIf(skipUnlessRoot())('rmi of an id', () => {
  test('takes one name along, and refuses several unless it is forced', async () => {
    const place = freshPlace();
    const { image } = await makeImage(place, [layerWith('a')], {}, 'it');
    setTag(sys, place, 'it', digest, image.id);
    setTag(sys, place, 'it', 'v2', image.id);
    const before = contents(place);
    expect(() => rmi(place, image.id)).toThrow(because('image-in-use'));
    expect(() => rmi(place, image.id)).toThrow(/it:latest, it@sha256:d+, it:v2/);
    expect(contents(place)).toEqual(before);
    expect(names(place)).toHaveLength(3);
    expect(rmi(place, `sha256:${image.id.slice(0, 10)}`, { force: true }).untagged).toHaveLength(3);
    expect(contents(place)).toEqual(NOTHING);
    const again = await makeImage(place, [layerWith('a')], {}, 'it');
    setTag(sys, place, 'it', digest, again.image.id);
    expect(rmi(place, again.image.id).untagged).toHaveLength(2);
  });

  test.each(['..', '../../etc', 'a/b', 'a'.repeat(65), '\0', '', `sha256:${'a'.repeat(64)}`])(
    '%j finds none, and removes nothing',
    async (text) => {
      const place = freshPlace();
      await makeImage(place, [layerWith('a')], {}, 'it');
      const before = contents(place);
      expect(() => rmi(place, text, { force: true })).toThrow(because('no-such-image'));
      expect(contents(place)).toEqual(before);
    },
  );

  test('of a layer that an image stands on is refused', async () => {
    const place = freshPlace();
    const { layers } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    expect(() => rmi(place, layers[0]!.chainId, { force: true })).toThrow(because('image-in-use'));
  });

  test('takes a damaged image away, and leaves what it may have stood on', async () => {
    const place = freshPlace();
    const { image, layers } = await makeImage(place, [layerWith('a'), layerWith('b')]);
    const other = await makeImage(place, [layerWith('a'), layerWith('c')], {}, 'other');
    writeFileSync(join(place.graph, image.id, 'json'), '{');
    // While it is there, nobody knows what stands on what: only what is meant goes.
    rmi(place, 'other');
    expect(contents(place).images).toEqual([image.id, layers[0]!.chainId].sort());
    expect(contents(place).layers).not.toContain(other.layers[1]!.chainId);
    rmi(place, image.id);
    expect(contents(place)).toEqual(NOTHING);
  });
});

describe.skipIf(skipUnlessRoot())('an image that', () => {
  test('a container was made from stays, also by force, until the container is gone', async () => {
    const place = freshPlace();
    const { image } = await makeImage(place, [layerWith('a')], {}, 'it');
    const id = idOf('c');
    container(place, id, image.id);
    mkdirSync(join(place.overlay, id, 'work'), { recursive: true });
    mkdirSync(join(place.overlay, `${id}-init`));
    for (const text of ['it', image.id]) {
      expect(() => rmi(place, text)).toThrow(because('image-in-use'));
      expect(() => rmi(place, text, { force: true })).toThrow(/web \(c0+\) was made from it/);
    }
    expect(names(place)).toEqual(['it:latest']);
    // A second name may go, as the image stays.
    setTag(sys, place, 'other', 'latest', image.id);
    expect(rmi(place, 'other').deleted).toEqual([]);
    const unrelated = await makeImage(place, [layerWith('x')], {}, 'x');
    expect(rmi(place, 'x').deleted).toContain(unrelated.image.id);
    expect(existsSync(join(place.overlay, id, 'work'))).toBe(true);
    expect(existsSync(join(place.overlay, `${id}-init`))).toBe(true);
    rmSync(containerFolder(place, id), { recursive: true });
    rmi(place, 'it');
    // Layers that bear no mark of an image's are a container's, or somebody's who makes one.
    expect(contents(place)).toEqual({ ...NOTHING, layers: [id] });
  });

  test('may be that of a damaged container stays', async () => {
    const place = freshPlace();
    await makeImage(place, [layerWith('a')], {}, 'it');
    mkdirSync(containerFolder(place, idOf('c')));
    writeFileSync(join(containerFolder(place, idOf('c')), 'config.json'), '{');
    expect(() => rmi(place, 'it', { force: true })).toThrow(because('bad-config'));
    expect(names(place)).toEqual(['it:latest']);
  });

  test('is the parent of one that is named loses its own name only', async () => {
    const place = freshPlace();
    ensureBaseImage(sys, place, () => undefined);
    const base = lookupImage(sys, place, 'base');
    const child = idOf('e');
    storeImage(sys, place, { id: child, parent: base.id, created: '', Size: 0 });
    setTag(sys, place, 'child', 'latest', child);
    expect(rmi(place, 'base').deleted).toEqual([]);
    expect(names(place)).toEqual(['child:latest']);
    expect(() => rmi(place, base.id)).toThrow(because('image-in-use'));
    ensureBaseImage(sys, place, () => undefined);
    expect(lookupImage(sys, place, 'base').id).toBe(base.id);
  });

  test('is base goes like others, and is made anew; what was built on it keeps its layers', async () => {
    const place = freshPlace();
    ensureBaseImage(sys, place, () => undefined);
    const base = lookupImage(sys, place, 'base');
    const below = await describeLayers(sys, place, layersOf(sys, place, base));
    const mine = await addLayer(place, layerWith('mine'), below);
    const text = configText([...below, mine].map(({ diffId }) => diffId));
    const image = registerImage(sys, place, text, [...below, mine]);
    setTag(sys, place, 'mine', 'latest', image.id);
    expect(rmi(place, 'base').deleted).toEqual([base.id]);
    expect(layersOf(sys, place, image)).toHaveLength(4);
    expect((await bytesOf(place, below[2]!.chainId)).length).toBeGreaterThan(512);
    ensureBaseImage(sys, place, () => undefined);
    expect(lookupImage(sys, place, 'base').id).toBe(base.id);
    rmi(place, 'mine');
    expect(rmi(place, 'base').deleted).toEqual([base.id, below[1]!.folder, below[0]!.folder]);
    expect(contents(place)).toEqual(NOTHING);
    expectTidy(place);
  });
});

describe.skipIf(skipUnlessRoot())('while another ts-dock', () => {
  /** Its lock has to be another process's: ours would be no obstacle to us. */
  class Elsewhere extends Kernel {
    readonly held = new Set<string>();
    onLook: () => void = () => undefined;
    override lock(path: string, wait: boolean, byte?: number): number | undefined {
      if (path.includes('/open/')) this.onLook();
      return this.held.has(path) ? undefined : super.lock(path, wait, byte);
    }
  }

  function run(place: Place, command: string, elsewhere: Elsewhere, created = false): () => void {
    const id = `20260101-000000000-${command}`;
    const head = { run: id, command, trace: drawTrace(undefined), rm: false, version: '0' };
    const journal = Journal.begin(sys, place.journal, head);
    if (created) journal.write({ k: 'created' });
    elsewhere.held.add(join(place.journal, 'open', id));
    const end = (): void => {
      elsewhere.held.clear();
      if (existsSync(join(place.journal, 'open', id))) journal.settle(undefined);
    };
    onTestFinished(end);
    return end;
  }

  test.each(['pull', 'load', 'import', 'commit', 'push', 'save', 'run', 'create'])(
    'is at %s, names go and layers stay, until a later rmi',
    async (command) => {
      const place = freshPlace();
      const port = new Elsewhere();
      const { image } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
      const before = contents(place);
      const end = run(place, command, port);
      const options = { force: false, prune: true };
      expect(removeImage(port, place, 'it', options)).toMatchObject({
        untagged: [{ repository: 'it' }],
        deleted: [],
        busy: [`ts-dock ${command}`],
      });
      expect(contents(place)).toEqual(before);
      expect(names(place)).toEqual([]);
      expect(() => removeImage(port, place, image.id, options)).toThrow(because('image-in-use'));
      end();
      expect(removeImage(port, place, image.id, options).deleted).toHaveLength(3);
      expect(contents(place)).toEqual(NOTHING);
    },
  );

  test.each([
    ['run', true],
    ['stop', false],
    ['exec', false],
  ])('is at %s, which counts on no layer that no container names, all goes', async (command, created) => {
    const place = freshPlace();
    const port = new Elsewhere();
    await makeImage(place, [layerWith('a')], {}, 'it');
    run(place, command, port, created);
    expect(removeImage(port, place, 'it', { force: false, prune: true }).deleted).toHaveLength(2);
  });

  test('begins at the very moment, all is put back as it was', async () => {
    const place = freshPlace();
    const port = new Elsewhere();
    const { image } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    const before = contents(place);
    // The first thing that is moved away: from here on it can find nothing, but it may have looked before.
    const rename = port.rename.bind(port);
    let begun = false;
    port.rename = (from, to) => {
      rename(from, to);
      if (!begun) run(place, 'pull', port);
      begun = true;
    };
    expect(removeImage(port, place, 'it', { force: false, prune: true })).toMatchObject({
      deleted: [],
      busy: ['ts-dock pull'],
    });
    expect(begun).toBe(true);
    expect(contents(place)).toEqual(before);
    expect(layersOf(sys, place, lookupImage(sys, place, image.id))).toHaveLength(2);
    expect((await bytesOf(place, before.layers[0]!).catch(() => '')).length).toBeGreaterThan(0);
  });
});

describe.skipIf(skipUnlessRoot())('an rmi that is killed', () => {
  class Killed extends Error {}

  /** After each call that changes something, in turn, until one run gets through. */
  test('anywhere leaves whole images, and the next rmi or the next who brings the image makes it good', async () => {
    const changing = ['rename', 'unlink', 'replaceFile', 'removeTree', 'mkdir'] as const;
    let kills = 0;
    for (let n = 1; ; n += 1) {
      const place = freshPlace();
      const tars = [layerWith('a'), layerWith('b')];
      const { text } = await makeImage(place, tars, {}, 'it');
      const other = await makeImage(place, [layerWith('a'), layerWith('c')], {}, 'other');
      const port = new Kernel();
      let calls = 0;
      for (const name of changing) {
        const act = port[name].bind(port) as (...args: unknown[]) => unknown;
        (port as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => {
          const value = act(...args);
          calls += 1;
          if (calls === n) throw new Killed();
          return value;
        };
      }
      let killed = false;
      try {
        removeImage(port, place, 'it', { force: false, prune: true });
      } catch (error) {
        expect(error).toBeInstanceOf(Killed);
        killed = true;
      }
      expect(layersOf(sys, place, other.image)).toHaveLength(2);
      for (const { id } of listImages(sys, place)) layersOf(sys, place, lookupImage(sys, place, id));
      if (!killed) break;
      kills += 1;
      if (n % 2 === 0) {
        const again = await makeImage(place, tars, {}, 'it');
        expect(again.text).toBe(text);
        for (const [i, { chainId }] of again.layers.entries())
          expect((await bytesOf(place, chainId)).equals(tars[i]!)).toBe(true);
        rmi(place, 'it');
      }
      rmi(place, 'other');
      for (const { id } of listImages(sys, place)) rmi(place, id);
      expect(contents(place)).toEqual(NOTHING);
      expectTidy(place);
    }
    expect(kills).toBeGreaterThan(5);
  });

  test('leaves nothing of what other killed commands had begun', async () => {
    const place = freshPlace();
    await makeImage(place, [layerWith('a')], {}, 'it');
    // A layer of a pull that got no further, and the staging of an image.
    const tar = tarOf(file('x', 'x'));
    await makeLayer(sys, place, {
      scratch: join(place.work, 'dead'),
      below: [],
      diffId: undefined,
      source: pieces(tar),
      budgets: DEFAULT_BUDGETS,
      what: 'x',
    });
    mkdirSync(join(place.work, 'image-0123456789abcdef'));
    mkdirSync(join(place.root, 'tmp', 'half'));
    renameSync(join(place.work, 'dead'), join(place.work, 'image-dead'));
    rmi(place, 'it');
    expect(contents(place)).toEqual(NOTHING);
    expect(readdirSync(place.work)).toEqual(['test']);
    expectTidy(place);
  });
});
