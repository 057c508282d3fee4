/** The commands about images, as people use them, in one root: from 124 layers that are run to nothing that is left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { layersOf } from '../../src/daemon/image-store.ts';
import { describeLayers, type Layer } from '../../src/daemon/layer-store.ts';
import { registerImage } from '../../src/daemon/image-store.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { lookupImage, setTag } from '../../src/daemon/tags.ts';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { addLayer, configText, layerWith, makeImage, sys } from './rig.ts';

const skip = skipUnlessRoot();

describe.skipIf(skip)('images in a root', () => {
  let box: Sandbox;
  let place: Place;
  let deep: readonly string[];
  const ts = (...args: readonly string[]): Promise<Done> => box.run(args);
  const out = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await ts(...args);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return stdout;
  };
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await ts(...args);
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    return stderr;
  };

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    place = placeOf(box.root);
    await ts('tag', 'base', 'me/base:1');
    deep = await makeDeep(125);
  }, 60_000);
  afterAll(async () => {
    await box.dispose();
  });

  /** Images of 124 and 125 layers, the lowest those of base. */
  async function makeDeep(most: number): Promise<string[]> {
    const base = lookupImage(sys, place, 'base');
    const layers: Layer[] = await describeLayers(sys, place, layersOf(sys, place, base));
    while (layers.length < most)
      layers.push(await addLayer(place, layerWith(`layer-${layers.length}`), layers));
    return [most - 1, most].map((count) => {
      const own = layers.slice(0, count);
      const text = configText(
        own.map(({ diffId }) => diffId),
        { config: { Cmd: ['sh', '-c', 'ls / | grep -c layer-; cat /layer-3 /layer-123'] } },
      );
      const { id } = registerImage(sys, place, text, own);
      setTag(sys, place, 'deep', count.toString(), id);
      return id;
    });
  }

  test('tag makes base, and names it; what has a name already loses it', async () => {
    const before = await out('images', '--no-trunc', '-q');
    expect(before.split('\n')).toContain(`sha256:${lookupImage(sys, place, 'me/base:1').id}`);
    expect(await out('tag', 'me/base:1', 'localhost:5000/b')).toBe('');
    await out('tag', 'deep:124', 'localhost:5000/b');
    expect(lookupImage(sys, place, 'localhost:5000/b').id).toBe(deep[0]);
    expect(await out('rmi', 'localhost:5000/b')).toBe('Untagged: localhost:5000/b:latest\n');
  });

  test.each([
    ['a name in capitals', 'Me/Base', /lower case/],
    ['a digest', `it@sha256:${'a'.repeat(64)}`, /it has a digest/],
    ['a path', '../x', /not a host/],
  ])('tag refuses %s', async (_, target, why) => {
    expect(await refused('tag', 'base', target)).toMatch(why);
  });

  test('124 layers are run, and 125 are refused', async () => {
    expect(await out('run', '--rm', '--net', 'none', 'deep:124')).toBe('121\nlayer-3\nlayer-123\n');
    expect(await refused('create', 'deep:125')).toContain('more than 127 parents');
  });

  test('history has a line a layer, and ids that can be used', async () => {
    const lines = (await out('history', 'deep:124')).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
    expect(lines).toHaveLength(125);
    const [top = '', second = ''] = (await out('history', '-q', 'deep:124')).split('\n');
    expect(top).toBe(deep[0]?.slice(0, 12));
    expect(await out('run', '--rm', '--net', 'none', second, 'cat', '/layer-122')).toBe('layer-122\n');
    expect(JSON.parse(await out('history', '--json', 'me/base:1'))).toMatchObject([
      { createdBy: 'base: greeting' },
      { createdBy: 'base: programs' },
      { createdBy: 'base: skeleton', comment: '' },
    ]);
    expect(await refused('history', 'nobody')).toMatch(
      /No such image: nobody \(tag: latest\)[^]*ts-dock pull/,
    );
  });

  test('images shows those that lost their name, and with -a those between', async () => {
    const { image } = await makeImage(place, [layerWith('lost')], {}, 'lost');
    await makeImage(place, [layerWith('found')], {}, 'lost');
    const shown = (await out('images')).split('\n').map((line) => line.split(/ {3,}/));
    expect(shown).toContainEqual(expect.arrayContaining(['<none>', '<none>', image.id.slice(0, 12)]));
    expect(await out('images', '-q', '-f', 'dangling=true')).toBe(`${image.id.slice(0, 12)}\n`);
    expect(await out('images', '-q', '-f', 'dangling=false')).not.toContain(image.id.slice(0, 12));
    const between = JSON.parse(await out('images', '-a', '--json')) as unknown[];
    expect(between.length).toBeGreaterThan(124);
    expect(await refused('images', '-f', 'dangling=maybe')).toContain('true or false');
    for (const name of ['lost', 'lost:latest', 'docker.io/library/lost'])
      expect((await out('images', name)).trim().split('\n').slice(1)).toEqual([
        expect.stringMatching(/^lost +latest /),
      ]);
    expect((await out('images', 'lost:other')).trim().split('\n')).toHaveLength(1);
    expect(await out('rmi', image.id.slice(0, 12))).toMatch(
      new RegExp(`^Deleted: sha256:${image.id}\nDeleted: sha256:[0-9a-f]{64}\n$`),
    );
  });

  test('images --digests has a line for each', async () => {
    const digest = `sha256:${'d'.repeat(64)}`;
    setTag(sys, place, 'deep', digest, deep[0]!);
    expect((await out('images')).match(/deep/g)).toHaveLength(2);
    const lines = (await out('images', '--digests')).split('\n').filter((line) => line.includes(digest));
    expect(lines).toEqual([expect.stringMatching(/^deep +124 +sha256:d+ +[0-9a-f]{12} /)]);
    expect(JSON.parse(await out('inspect', `deep@${digest}`))).toMatchObject([
      { Id: `sha256:${deep[0]!}`, RepoTags: ['deep:124'], RepoDigests: [`deep@${digest}`] },
    ]);
  });

  test('ps finds containers by an image that theirs stands on, whatever its ids', async () => {
    await out('create', '--name', 'web', 'deep:124');
    const found = async (image: string): Promise<string> =>
      (await out('ps', '-a', '-f', `ancestor=${image}`)).split('\n')[1] ?? '';
    for (const image of ['deep:124', 'base', (await out('history', '-q', 'deep:124')).split('\n')[3]!])
      expect(await found(image)).toContain('web');
    for (const image of ['deep:125', 'lost']) expect(await found(image)).toBe('');
  });

  test('inspect of a container shows the folders that its layers really lie in', async () => {
    const [found] = JSON.parse(await out('inspect', 'web')) as [{ Layers: { Image: string[] } }];
    expect(found.Layers.Image).toHaveLength(124);
    expect(readFileSync(join(found.Layers.Image[0]!, 'layer-123'), 'utf8')).toBe('layer-123\n');
  });

  test('rmi refuses what a container runs on or was made from, and says which', async () => {
    expect(await refused('rmi', '-f', 'deep:124')).toMatch(/container web \([0-9a-f]{12}\) was made from it/);
    await out('run', '-d', '--name', 'up', '--net', 'none', 'me/base:1', 'sleep', '600');
    await out('tag', 'me/base:1', 'mine');
    const base = lookupImage(sys, place, 'mine').id;
    expect(await refused('rmi', '-f', base)).toMatch(/container up \([0-9a-f]{12}\) runs on it/);
    expect(await out('rmi', 'mine')).toBe('Untagged: mine:latest\n');
    await out('rm', '-f', 'up', 'web');
  });

  test('rmi takes all away that nobody needs, and goes on after a name that there is not', async () => {
    const done = await ts('rmi', 'nobody', 'deep:125', 'lost', 'deep:124');
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('No such image: nobody');
    const deleted = done.stdout.split('\n').filter((line) => line.startsWith('Deleted: '));
    // Two images, 122 layers that are not of base; another with its one.
    expect(deleted).toHaveLength(2 + 122 + 2);
    expect(done.stdout).toContain(`Untagged: deep@sha256:${'d'.repeat(64)}\n`);
    const base = lookupImage(sys, place, 'base').id;
    expect(JSON.parse(await out('images', '-a', '--json'))).toHaveLength(4);
    expect(await out('run', '--rm', '--net', 'none', 'me/base:1', 'echo', 'still')).toBe('still\n');
    expect(await out('rmi', '-f', base)).toMatch(/Untagged: [^]*Untagged: [^]*(?:Deleted: sha256:.*\n){3}$/);
    expect(await out('images', '-aq')).toBe('');
    const again = await ts('run', '--rm', '--net', 'none', 'base', 'echo', 'anew');
    expect(again).toMatchObject({ code: 0, stdout: 'anew\n' });
  });

  test('events tell of names and images', async () => {
    const events = await out('events', '--since', '1h', '--until', '0s', '-f', 'type=image');
    expect(events).toMatch(/ image tag [0-9a-f]{64} \(name=me\/base:1\)\n/);
    expect(events).toMatch(new RegExp(` image untag ${deep[0]!} \\(name=deep:124\\)\n`));
    expect(events).toMatch(new RegExp(` image delete ${deep[0]!} \\(name=\\)\n`));
    expect(events).not.toContain(' container ');
  });

  test('uninstall removes all of it', async () => {
    await makeImage(place, [layerWith('a'), layerWith('b')], {}, 'it');
    const done = await ts('uninstall');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(await out('images')).not.toContain('it');
    expect((await ts('history', 'it')).stderr).toContain('there is nothing in');
  });
});
