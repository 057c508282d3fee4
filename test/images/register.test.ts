/** Images from the world in the graph: what is written, what is shared, what is refused, and what a kill or a second one may do. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensureBaseImage } from '../../src/daemon/base-image.ts';
import { chainIds, parseImageConfig } from '../../src/daemon/image-config.ts';
import { historyOf } from '../../src/daemon/image-history.ts';
import { imageConfigOf, layersOf, NO_LAYERS, registerImage } from '../../src/daemon/image-store.ts';
import { ancestryOf, readImage, tooDeep } from '../../src/daemon/images.ts';
import { inspect, listImages } from '../../src/daemon/inspect.ts';
import { describeLayers, hasLayer, type Layer } from '../../src/daemon/layer-store.ts';
import { diffOf, layerOf, overlayOptions, shortNameOf } from '../../src/daemon/layers.ts';
import type { Place } from '../../src/daemon/place.ts';
import { lookupImage, setTag } from '../../src/daemon/tags.ts';
import { together } from '../daemon/workers.ts';
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
  sha256,
  sys,
} from './rig.ts';

const history = [
  { created: '2024-01-01T00:00:00Z', created_by: 'ADD a' },
  { created: '2024-01-02T00:00:00Z', created_by: 'CMD sh', empty_layer: true },
  { created: '2024-01-03T00:00:00Z', created_by: 'RUN b', comment: 'by hand', author: 'me' },
  { created: '2024-01-04T00:00:00Z', created_by: 'ENV A=1', empty_layer: true },
];

describe.skipIf(skipUnlessRoot())('an image from the world', () => {
  test('has the digest of its configuration for an id, keeps its bytes, and an image for each layer below', async () => {
    const place = freshPlace();
    const { image, layers, text } = await makeImage(place, [layerWith('a'), layerWith('b', 'bb')], {
      history,
    });
    const [first, second] = layers as [Layer, Layer];
    expect(image).toEqual({
      id: sha256(text),
      parent: first.chainId,
      comment: 'RUN b by hand',
      created: '2024-05-06T07:08:09Z',
      config: { Cmd: ['sh'], Env: ['A=1'] },
      architecture: 'amd64',
      os: 'linux',
      Size: 2,
    });
    expect(readFileSync(join(place.graph, image.id, 'config'), 'utf8')).toBe(text);
    expect(readImage(sys, place, first.chainId)).toEqual({
      id: first.chainId,
      comment: 'ADD a',
      created: '2024-01-01T00:00:00Z',
      os: 'linux',
      Size: 2,
    });
    expect(ancestryOf(sys, place, image)).toEqual([image.id, first.chainId]);
    expect(layersOf(sys, place, image)).toEqual([first.chainId, second.chainId]);
    expect(layerOf(sys, place, image.id)).toBe(second.chainId);
    expect(readdirSync(join(place.overlay, image.id))).toEqual(['link']);
    expect(await imageConfigOf(sys, place, image)).toEqual({ text, config: parseImageConfig('it', text) });
    expectTidy(place);
  });

  test('shares its layers with another, of which only the configuration differs', async () => {
    const place = freshPlace();
    const tars = [layerWith('a'), layerWith('b')];
    const one = await makeImage(place, tars);
    const before = contents(place);
    const two = await makeImage(place, tars, { config: { Cmd: ['other'] } });
    expect(two.image.id).not.toBe(one.image.id);
    expect(layersOf(sys, place, two.image)).toEqual(layersOf(sys, place, one.image));
    expect(contents(place).images).toHaveLength(before.images.length + 1);
    expect(contents(place).links).toEqual(before.links);
    expect(overlayOptions(sys, place, 'c', [two.image.id], false)).toContain(
      `lowerdir=../c-init/diff:${shortNameOf(sys, place, one.image.id)},`,
    );
  });

  test('without layers stands on one that is empty, and has none to give out', async () => {
    const place = freshPlace();
    const { image, text } = await makeImage(place, []);
    expect(NO_LAYERS).toBe(sha256(''));
    expect(layersOf(sys, place, image)).toEqual([]);
    expect(readdirSync(diffOf(place, layerOf(sys, place, image.id)))).toEqual([]);
    expect((await imageConfigOf(sys, place, image)).text).toBe(text);
    expect(historyOf(sys, place, image)).toEqual([
      { id: image.id, created: image.created, createdBy: '', size: 0, comment: '' },
    ]);
    await makeImage(place, [], { config: { Cmd: ['other'] } });
    expectTidy(place);
  });

  test('tells its history from its configuration, empty lines and all', async () => {
    const place = freshPlace();
    const { image, layers } = await makeImage(place, [layerWith('a'), layerWith('b')], { history });
    expect(historyOf(sys, place, image)).toEqual([
      { id: image.id, created: '2024-01-04T00:00:00Z', createdBy: 'ENV A=1', size: 0, comment: '' },
      { id: '', created: '2024-01-03T00:00:00Z', createdBy: 'RUN b', size: 2, comment: 'by hand' },
      { id: '', created: '2024-01-02T00:00:00Z', createdBy: 'CMD sh', size: 0, comment: '' },
      { id: layers[0]?.chainId, created: '2024-01-01T00:00:00Z', createdBy: 'ADD a', size: 2, comment: '' },
    ]);
    const other = await makeImage(place, [layerWith('c')], { history });
    expect(historyOf(sys, place, other.image).map(({ id }) => id)).toEqual([other.image.id]);
  });

  test('is inspected with its names and digests', async () => {
    const place = freshPlace();
    const { image, layers } = await makeImage(place, [layerWith('a'), layerWith('b')], { history }, 'it:1');
    const digest = `sha256:${'d'.repeat(64)}`;
    setTag(sys, place, 'reg.test/it', digest, image.id);
    expect(await inspect(sys, place, 'it:1')).toEqual({
      Id: `sha256:${image.id}`,
      RepoTags: ['it:1'],
      RepoDigests: [`reg.test/it@${digest}`],
      Parent: `sha256:${layers[0]?.chainId ?? ''}`,
      Comment: 'RUN b by hand',
      Created: '2024-05-06T07:08:09Z',
      Author: '',
      Config: { Cmd: ['sh'], Env: ['A=1'] },
      Architecture: 'amd64',
      Os: 'linux',
      Size: 4,
      RootFS: { Type: 'layers', Layers: layers.map(({ diffId }) => diffId) },
      Layers: [...layers].reverse().map(({ chainId }) => diffOf(place, chainId)),
    });
    expect(listImages(sys, place)).toMatchObject([
      { repository: 'it', tag: '1', digests: [], layers: 2, size: 4 },
      { repository: 'reg.test/it', tag: '<none>', digests: [digest] },
    ]);
  });

  test.each([124, 125])('of %i layers is registered; whether it can be run is asked later', async (count) => {
    const place = freshPlace();
    const tars = Array.from({ length: count }, (_, n) => layerWith(`f${n}`));
    const { image } = await makeImage(place, tars);
    expect(layersOf(sys, place, image)).toHaveLength(count);
    expect(ancestryOf(sys, place, image)).toHaveLength(count);
    expect(tooDeep(ancestryOf(sys, place, image).length)).toBe(count === 125);
    expect(listImages(sys, place, 'all')).toHaveLength(count);
  });

  test('is registered by several processes at once', async () => {
    const place = freshPlace();
    const layers: Layer[] = [];
    for (let n = 0; n < 12; n += 1) layers.push(await addLayer(place, layerWith(`f${n}`), layers));
    const text = configText(layers.map(({ diffId }) => diffId));
    const args = ['register', place.root, '', '', text, JSON.stringify(layers)];
    const found = await together([args, args, args, args]);
    const image = lookupImage(sys, place, sha256(text));
    expect(found).toEqual([image, image, image, image]);
    expect(layersOf(sys, place, image)).toHaveLength(12);
    expectTidy(place);
  });

  test.each<[string, (layers: readonly Layer[], text: string) => [string, readonly Layer[]]]>([
    ['a layer more', ([a, b], text) => [text, [a!, b!, b!]]],
    ['a layer less', ([a], text) => [text, [a!]]],
    ['its layers in another order', ([a, b], text) => [text, [b!, a!]]],
    ['another digest', ([a, b], text) => [text.replaceAll(a!.diffId, b!.diffId), [a!, b!]]],
    ['a configuration that is none', (layers) => ['{', layers]],
    ['a configuration that is a list', (layers) => ['[]', layers]],
    ['a variable without =', (layers, text) => [text.replace('A=1', 'A'), layers]],
    ['a chain id of somebody’s choosing', ([a, b], text) => [text, [{ ...a!, chainId: '../../etc' }, b!]]],
    ['a layer that is not there', ([a, b], text) => [text, [a!, { ...b!, folder: 'f'.repeat(64) }]]],
    ['a folder that is a path', ([a, b], text) => [text, [a!, { ...b!, folder: '../../../etc' }]]],
  ])('with %s is refused, and there is no such image', async (_, change) => {
    const place = freshPlace();
    const first = await addLayer(place, layerWith('a'));
    const layers = [first, await addLayer(place, layerWith('b'), [first])];
    const text = configText(layers.map(({ diffId }) => diffId));
    const [config, given] = change(layers, text);
    expect(() => registerImage(sys, place, config, given)).toThrow(because('bad-image'));
    expect(existsSync(join(place.graph, sha256(config)))).toBe(false);
    expect(listImages(sys, place)).toEqual([]);
    expectTidy(place);
    expect(registerImage(sys, place, text, layers).id).toBe(sha256(text));
  });

  test.each<[string, (folder: string, place: Place) => void]>([
    ['its json', (folder) => rmSync(join(folder, 'json'))],
    ['half its json', (folder) => writeFileSync(join(folder, 'json'), '{"id":"')],
    ['its configuration', (folder) => rmSync(join(folder, 'config'))],
    ['the end of its configuration', (folder) => writeFileSync(join(folder, 'config'), '{')],
    ['its size', (folder) => rmSync(join(folder, 'layersize'))],
    ['all of it', (folder) => rmSync(folder, { recursive: true })],
    [
      'the whole graph',
      (_folder, { graph }) => {
        rmSync(graph, { recursive: true });
        mkdirSync(graph);
      },
    ],
  ])('that has lost %s is made whole by the next who brings it', async (_, lose) => {
    const place = freshPlace();
    const { image, layers, text } = await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    const { ino } = statSync(diffOf(place, layers[0]!.chainId));
    lose(join(place.graph, image.id), place);
    expect(registerImage(sys, place, text, layers)).toEqual(image);
    expect((await imageConfigOf(sys, place, lookupImage(sys, place, 'it'))).text).toBe(text);
    expect(ancestryOf(sys, place, image)).toHaveLength(2);
    expect(statSync(diffOf(place, layers[0]!.chainId)).ino).toBe(ino);
    expectTidy(place);
  });

  test('that came with another configuration than its id says is not used', async () => {
    const place = freshPlace();
    const { image, text } = await makeImage(place, [layerWith('a')]);
    writeFileSync(join(place.graph, image.id, 'config'), text.replace('A=1', 'A=2'));
    await expect(imageConfigOf(sys, place, image)).rejects.toThrow(because('bad-image'));
  });

  test('whose link leads to no layer is refused where its layers are asked for', async () => {
    const place = freshPlace();
    const { image } = await makeImage(place, [layerWith('a')]);
    for (const link of ['', '../../etc', 'f'.repeat(12)]) {
      writeFileSync(join(place.overlay, image.id, 'link'), link);
      expect(() => layersOf(sys, place, image)).toThrow(because('bad-image'));
    }
  });
});

describe.skipIf(skipUnlessRoot())('base', () => {
  const withBase = (): Place => {
    const place = freshPlace();
    ensureBaseImage(sys, place, () => undefined);
    return place;
  };

  test('has a configuration made from its chain, always the same, with the digests of its layers', async () => {
    const place = withBase();
    const base = lookupImage(sys, place, 'base');
    const { text, config } = await imageConfigOf(sys, place, base);
    expect(config.diffIds).toHaveLength(3);
    expect(config.history.map(({ created_by }) => created_by)).toEqual([
      'base: skeleton',
      'base: programs',
      'base: greeting',
    ]);
    expect((await imageConfigOf(sys, place, base)).text).toBe(text);
    const [lowest = ''] = layersOf(sys, place, base);
    expect(config.diffIds[0]).toBe(`sha256:${sha256(await bytesOf(place, lowest))}`);
  });

  test('carries an image that is built on it: the layers are shared, under their chain ids', async () => {
    const place = withBase();
    const base = lookupImage(sys, place, 'base');
    const below = await describeLayers(sys, place, layersOf(sys, place, base));
    expect(below.map(({ folder }) => folder)).toEqual(layersOf(sys, place, base));
    const mine = await addLayer(place, layerWith('mine'), below);
    const text = configText([...below, mine].map(({ diffId }) => diffId));
    // By chain ids alone the layers of base cannot be found yet.
    expect(hasLayer(sys, place, below[0]!.chainId)).toBe(false);
    const image = registerImage(sys, place, text, [...below, mine]);
    expect(layersOf(sys, place, image)).toEqual([...layersOf(sys, place, base), mine.chainId]);
    expect(ancestryOf(sys, place, image).reverse().slice(0, 3)).toEqual(below.map(({ chainId }) => chainId));
    expect(hasLayer(sys, place, below[0]!.chainId)).toBe(true);
    expect(chainIds(below.map(({ diffId }) => diffId))).toEqual(below.map(({ chainId }) => chainId));
    const digest = sha256(await bytesOf(place, below[0]!.chainId));
    expect(`sha256:${digest}`).toBe(below[0]!.diffId);
    expectTidy(place);
  });
});
