/** Layers that are named by their content: verified while they are unpacked, shared, and given out again byte for byte. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_BUDGETS } from '../../src/archive/budgets.ts';
import { chainIds } from '../../src/daemon/image-config.ts';
import {
  diffIdOf,
  findLayer,
  hasLayer,
  makeLayer,
  type Layer,
  type LayerRequest,
} from '../../src/daemon/layer-store.ts';
import { diffOf, layerFolder, layerOf } from '../../src/daemon/layers.ts';
import type { Place } from '../../src/daemon/place.ts';
import { directory, file, hardlink, pieces, symlink, tarOf } from '../archive/rig-tar.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { addLayer, because, bytesOf, expectTidy, freshPlace, layerWith, sha256, sys } from './rig.ts';

const request = (place: Place, tar: Uint8Array, more: Partial<LayerRequest> = {}): LayerRequest => ({
  scratch: join(place.work, 'test'),
  below: [],
  diffId: `sha256:${sha256(tar)}`,
  source: pieces(tar),
  budgets: DEFAULT_BUDGETS,
  what: 'layer.tar',
  ...more,
});
const inDiff = (place: Place, layer: string, path: string): string => join(diffOf(place, layer), path);

describe.skipIf(skipUnlessRoot())('a layer', () => {
  const tar = tarOf(
    directory('etc/', { mode: 0o755 }),
    file('etc/motd', 'hello\n'.repeat(1000), { mode: 0o640, uid: 7, gid: 8 }),
    symlink('motd', 'etc/motd'),
    hardlink('etc/again', 'etc/motd'),
    file('.wh.gone'),
    directory('opt/'),
    file('opt/.wh..wh..opq'),
  );

  test.each([
    ['plain', tar],
    ['packed with gzip', gzipSync(tar)],
  ])(
    'that comes %s is named by the digest of its plain archive, and given out as that',
    async (_, source) => {
      const place = freshPlace();
      const layer = await makeLayer(sys, place, request(place, tar, { source: pieces(source, 1000) }));
      expect(layer).toEqual({ chainId: sha256(tar), diffId: `sha256:${sha256(tar)}`, size: 6000 });
      expect(findLayer(sys, place, layer.chainId)).toEqual(layer);
      expect((await bytesOf(place, layer.chainId)).equals(tar)).toBe(true);
      expect(lstatSync(inDiff(place, layer.chainId, 'etc/motd'))).toMatchObject({ uid: 7, gid: 8, nlink: 2 });
      expect(lstatSync(inDiff(place, layer.chainId, 'gone')).isCharacterDevice()).toBe(true);
      expectTidy(place);
    },
  );

  test('has an outermost folder that is root’s and open to all, or as its archive says', async () => {
    const place = freshPlace();
    const usual = await addLayer(place, layerWith('a'));
    expect(statSync(diffOf(place, usual.chainId))).toMatchObject({ uid: 0, gid: 0, mode: 0o40755 });
    const said = await addLayer(place, tarOf(directory('./', { mode: 0o1777, uid: 3 }), file('./a', 'a')));
    expect(statSync(diffOf(place, said.chainId))).toMatchObject({ uid: 3, gid: 0, mode: 0o41777 });
    // Whatever it says, nobody but root gets as far as that.
    expect(statSync(layerFolder(place, said.chainId)).mode & 0o777).toBe(0o700);
  });

  test('is another one upon other layers', async () => {
    const place = freshPlace();
    const below = await addLayer(place, layerWith('below'));
    const alone = await addLayer(place, tar);
    const upon = await addLayer(place, tar, [below]);
    expect(upon.diffId).toBe(alone.diffId);
    expect(upon.chainId).toBe(chainIds([below.diffId, upon.diffId]).at(-1));
    expect(hasLayer(sys, place, upon.chainId)).toBe(true);
  });

  test('with a byte too many behind its end is that byte’s layer', async () => {
    const place = freshPlace();
    const longer = Buffer.concat([tar, Buffer.alloc(512), Buffer.from('x')]);
    const layer = await addLayer(place, longer);
    expect(layer.chainId).toBe(sha256(longer));
    expect((await bytesOf(place, layer.chainId)).equals(longer)).toBe(true);
  });

  test.each<[string, Partial<LayerRequest>, RegExp]>([
    ['has another digest', { diffId: `sha256:${'a'.repeat(64)}` }, /layer\.tar.*digest/],
    ['is cut', { source: pieces(tar.subarray(0, 700)) }, /cut/],
    ['is more than the budget', { budgets: { ...DEFAULT_BUDGETS, bytes: 100 } }, /100/],
  ])('that %s is refused, and leaves nothing', async (_, more, words) => {
    const place = freshPlace();
    const making = makeLayer(sys, place, request(place, tar, more));
    await expect(making).rejects.toThrow(because('bad-archive'));
    await expect(making).rejects.toThrow(words);
    expect(readdirSync(place.overlay).sort()).toEqual(['l', 'mnt']);
    expectTidy(place);
  });

  test('whose source breaks off is not there, and leaves nothing', async () => {
    const place = freshPlace();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* pieces(tar.subarray(0, 1000));
      throw new Error('the line is dead');
    }
    const open = readdirSync('/proc/self/fd').length;
    await expect(makeLayer(sys, place, request(place, tar, { source: source() }))).rejects.toThrow('dead');
    expect(readdirSync(place.overlay).sort()).toEqual(['l', 'mnt']);
    expect(readdirSync('/proc/self/fd')).toHaveLength(open);
    expectTidy(place);
  });

  test('that two unpack at once is there once, and both have it', async () => {
    const place = freshPlace();
    const [one, two] = await Promise.all([
      makeLayer(sys, place, request(place, tar)),
      makeLayer(sys, place, request(place, tar)),
    ]);
    expect(one).toEqual(two);
    expect(readdirSync(place.overlay).sort()).toEqual([one.chainId, 'l', 'mnt'].sort());
    expectTidy(place);
  });

  test('that is there stays, as it may be in use', async () => {
    const place = freshPlace();
    const { chainId } = await makeLayer(sys, place, request(place, tar));
    const { ino } = statSync(diffOf(place, chainId));
    await makeLayer(sys, place, request(place, tar));
    expect(statSync(diffOf(place, chainId)).ino).toBe(ino);
  });

  test.each<[string, (place: Place, id: string) => void]>([
    ['its files', (place, id) => rmSync(diffOf(place, id), { recursive: true })],
    ['its link', (place, id) => rmSync(join(layerFolder(place, id), 'link'))],
    ['what its link says', (place, id) => writeFileSync(join(layerFolder(place, id), 'link'), '')],
    ['what its link leads through', (place, id) => rmSync(join(place.overlay, 'l', id.slice(0, 12)))],
    ['its diff-id', (place, id) => rmSync(join(layerFolder(place, id), 'diff-id'))],
    ['what its diff-id says', (place, id) => writeFileSync(join(layerFolder(place, id), 'diff-id'), 'sha')],
  ])('that has lost %s does not count as there, and is made whole by the next', async (_, lose) => {
    const place = freshPlace();
    const { chainId } = await makeLayer(sys, place, request(place, tar));
    lose(place, chainId);
    expect(hasLayer(sys, place, chainId)).toBe(false);
    await makeLayer(sys, place, request(place, tar));
    expect(hasLayer(sys, place, chainId)).toBe(true);
    expect((await bytesOf(place, chainId)).equals(tar)).toBe(true);
    expectTidy(place);
  });

  test.each(['', '..', 'a/b', 'a'.repeat(65), `${'a'.repeat(63)}\0`, '../../etc', 'l'])(
    'is not looked for under %j',
    (id) => {
      const place = freshPlace();
      mkdirSync(join(place.root, 'etc'));
      expect(hasLayer(sys, place, id)).toBe(false);
      const reading = bytesOf(place, id);
      return expect(reading).rejects.toThrow(because('bad-image'));
    },
  );

  test('without a tar-split is packed anew, and has the digest of that', async () => {
    const place = freshPlace();
    const { chainId } = await makeLayer(sys, place, request(place, tar));
    for (const name of ['tar-split.gz', 'diff-id']) rmSync(join(layerFolder(place, chainId), name));
    const diffId = await diffIdOf(sys, place, chainId);
    expect(diffId).toBe(`sha256:${sha256(await bytesOf(place, chainId))}`);
    expect(readFileSync(join(layerFolder(place, chainId), 'diff-id'), 'utf8')).toBe(diffId);
    const copy = await makeLayer(
      sys,
      place,
      request(place, tar, { diffId, source: pieces(await bytesOf(place, chainId)) }),
    );
    expect(copy.size).toBe(6000);
    expect(lstatSync(inDiff(place, copy.chainId, 'gone')).isCharacterDevice()).toBe(true);
  });
});

describe.skipIf(skipUnlessRoot())('a hard link to a file of the layers below', () => {
  const join2 = async (...lower: readonly Buffer[]): Promise<{ place: Place; path: string }> => {
    const place = freshPlace();
    const layers: Layer[] = [];
    for (const tar of lower) layers.push(await addLayer(place, tar, layers));
    const tar = tarOf(hardlink('new', 'd/old'));
    const { chainId } = await addLayer(place, tar, layers);
    expect((await bytesOf(place, chainId)).equals(tar)).toBe(true);
    return { place, path: diffOf(place, chainId) };
  };

  test('gets that file under both names', async () => {
    const { path } = await join2(
      tarOf(directory('d/', { mode: 0o711 }), file('d/old', 'far')),
      layerWith('x'),
    );
    expect(readFileSync(join(path, 'new'), 'utf8')).toBe('far');
    expect(statSync(join(path, 'd/old')).ino).toBe(statSync(join(path, 'new')).ino);
    expect(statSync(join(path, 'd')).mode & 0o777).toBe(0o711);
  });

  test('gets the nearest', async () => {
    const { path } = await join2(tarOf(file('d/old', 'far')), tarOf(file('d/old', 'near')));
    expect(readFileSync(join(path, 'new'), 'utf8')).toBe('near');
  });

  test('gets what an opaque folder has itself', async () => {
    const { path } = await join2(
      tarOf(file('d/old', 'far')),
      tarOf(directory('d/'), file('d/.wh..wh..opq'), file('d/old', 'near')),
    );
    expect(readFileSync(join(path, 'new'), 'utf8')).toBe('near');
  });

  test.each<[string, Buffer]>([
    ['a whiteout', tarOf(file('d/.wh.old'))],
    ['a whiteout of its folder', tarOf(file('.wh.d'))],
    ['an opaque folder', tarOf(directory('d/'), file('d/.wh..wh..opq'))],
    ['a file in place of its folder', tarOf(file('d', 'x'))],
    ['a link in place of its folder', tarOf(symlink('d', '/etc'))],
    ['a link to elsewhere in place of its folder', tarOf(symlink('d', '../../../../etc'))],
  ])('that %s hides is refused', async (_, between) => {
    await expect(join2(tarOf(file('d/old', 'far')), between)).rejects.toThrow(because('bad-archive'));
  });

  test('is looked for in the layers below alone', async () => {
    const place = freshPlace();
    await addLayer(place, tarOf(file('d/old', 'secret')));
    const other = await addLayer(place, layerWith('x'));
    await expect(addLayer(place, tarOf(hardlink('new', 'd/old')), [other])).rejects.toThrow(
      because('bad-archive'),
    );
    expect(existsSync(join(diffOf(place, layerOf(sys, place, other.chainId)), 'new'))).toBe(false);
  });
});
