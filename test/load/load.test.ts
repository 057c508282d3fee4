/** `load` and `import`, walked in this process: what they make, what they leave when they fail, what a hostile layout gets. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropImage } from '../../src/daemon/image-undo.ts';
import { readImage } from '../../src/daemon/images.ts';
import { lookupImage, readTags } from '../../src/daemon/tags.ts';
import type { FrontEndCommand } from '../../src/engine/frontend.ts';
import { openRuns } from '../../src/engine/journal.ts';
import { importFlow, loadFlow } from '../../src/flows/load.ts';
import { saved } from '../../src/layouts/save.ts';
import { directory, file, symlink, tarOf } from '../archive/rig-tar.ts';
import {
  configOf,
  digestOf,
  dockerLayout,
  hexOf,
  idOf,
  indexOf,
  layerOf,
  ociImage,
  ociLayout,
  tarOfLayout,
  v1Layout,
  type Layout,
} from '../layouts/rig.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { failureOf, importInto, loadInto, makeStore, witness, type Store } from './rig.ts';

const [low, high] = [layerOf('low'), layerOf('high')];
const app = tarOfLayout(dockerLayout([low, high], ['app:v1']));

describe.skipIf(skipUnlessRoot())('load', () => {
  let store: Store;
  beforeEach(() => {
    store = makeStore();
  });
  afterEach(() => {
    store.dispose();
  });
  const look = (): string[] => witness(store.place);
  const contentOf = (reference: string): string[] => {
    const { sys, place } = store;
    const ids: string[] = [];
    for (let image = lookupImage(sys, place, reference); ; image = readImage(sys, place, image.parent)) {
      ids.unshift(image.id);
      if (image.parent === undefined) break;
    }
    return ids.flatMap((id) => {
      const short = readFileSync(join(place.overlay, id, 'link'), 'utf8');
      return readdirSync(join(place.overlay, 'l', short, 'etc'));
    });
  };

  it('gives the id that Docker knows the image by, its layers and its name; again, it changes nothing', async () => {
    expect(failureOf(await loadInto(store, app))).toBeUndefined();
    expect(lookupImage(store.sys, store.place, 'app:v1').id).toBe(hexOf(configOf([low, high])));
    expect(contentOf('app:v1')).toEqual(['low', 'high']);
    const before = look();
    const outcome = await loadInto(store, app);
    expect(outcome.values.layersReady).toEqual({ notes: { unpacked: 0, there: 2 } });
    expect(look()).toEqual(before);
    expect(openRuns(store.sys, store.place.journal)).toEqual([]);
  });

  it('unpacks a layer once that two images have, and one that another image has brought not at all', async () => {
    await loadInto(store, tarOfLayout(dockerLayout([low], ['low:v1'])));
    const both = {
      ...dockerLayout([low, high], ['app:v1']),
      ...dockerLayout([low, high], ['app:v2'], { author: 'x' }),
    };
    const manifests = [[], [], ['app:v1'], ['app:v2']].flatMap((tags, i) =>
      i < 2
        ? []
        : (JSON.parse(
            dockerLayout([low, high], tags, i === 3 ? { author: 'x' } : {})['manifest.json'] as string,
          ) as unknown[]),
    );
    const { values } = await loadInto(
      store,
      tarOfLayout({ ...both, 'manifest.json': JSON.stringify(manifests) }),
    );
    expect(values.layersReady).toEqual({ notes: { unpacked: 1, there: 1 } });
    expect(contentOf('app:v1')).toEqual(contentOf('app:v2'));
  });

  it('takes a name over from another image, and says so', async () => {
    const warnings: string[] = [];
    await loadInto(store, tarOfLayout(dockerLayout([low], ['app:v1'])));
    const frontEnd = {
      on: (event: { event: string; text?: string }) => {
        if (event.event === 'warning') warnings.push(event.text ?? '');
      },
      command: () => Promise.resolve({ command: 'continue' as const }),
      close: () => undefined,
    };
    await loadInto(store, app, { frontEnd });
    expect(warnings).toEqual([`app:v1 was ${hexOf(configOf([low])).slice(0, 12)} until now.`]);
    expect(contentOf('app:v1')).toEqual(['low', 'high']);
  });

  it('an image without layers is one too', async () => {
    expect(failureOf(await loadInto(store, tarOfLayout(dockerLayout([], ['empty:v1']))))).toBeUndefined();
    expect(lookupImage(store.sys, store.place, 'empty:v1').id).toBe(hexOf(configOf([])));
  });

  it('the same layers by every form are the same layers', async () => {
    await loadInto(store, app);
    const image = ociImage([low, high]);
    const oci = await loadInto(store, tarOfLayout(ociLayout([image], indexOf([image.descriptor]))));
    expect(oci.values.layersReady).toEqual({ notes: { unpacked: 0, there: 2 } });
    const old = await loadInto(store, tarOfLayout(v1Layout([low, high], { old: { v1: idOf('1') } })));
    expect(old.values.layersReady).toEqual({ notes: { unpacked: 0, there: 2 } });
    expect(contentOf('old:v1')).toEqual(['low', 'high']);
  });

  it('what is saved has the same bytes, and loaded elsewhere the same id', async () => {
    await loadInto(store, app);
    const { sys, place } = store;
    const image = lookupImage(sys, place, 'app:v1');
    for (const format of ['docker', 'oci'] as const) {
      const pieces: Uint8Array[] = [];
      const names = [{ repository: 'app', key: 'v1' }];
      for await (const piece of saved(sys, place, format, [{ image, names }], () => undefined))
        pieces.push(piece);
      const other = makeStore();
      const { values } = await loadInto(other, Buffer.concat(pieces));
      expect(values.registeredImages).toEqual([{ id: image.id, names }]);
      expect(values.checkedImages?.[0]?.layers.map(({ diffId }) => diffId)).toEqual(
        [low, high].map(digestOf),
      );
      other.dispose();
    }
  });

  describe('that fails leaves the store as it was', () => {
    const steps = loadFlow.flatMap(({ id }) => [`${id}:before`, `${id}:after`]);

    it.each(steps)('%s', async (place) => {
      await loadInto(store, tarOfLayout(dockerLayout([low], ['app:v1'])));
      const before = look();
      expect(failureOf(await loadInto(store, app, { fail: `${place}=error` }))?.reason).toBe('injected');
      expect(look()).toEqual(before);
      expect(openRuns(store.sys, store.place.journal)).toEqual([]);
    });

    it('also where it was empty, and had no file of names', async () => {
      const before = look();
      for (const place of steps) {
        expect(failureOf(await loadInto(store, app, { fail: `${place}=error` }))?.reason).toBe('injected');
        expect(look(), place).toEqual(before);
      }
    });

    it('or an import', async () => {
      const before = look();
      for (const { id } of importFlow)
        for (const when of ['before', 'after']) {
          const outcome = await importInto(store, low, { name: 'root', fail: `${id}:${when}=error` });
          expect(failureOf(outcome)?.reason).toBe('injected');
          expect(look(), `${id}:${when}`).toEqual(before);
        }
    });
  });

  it('another run that fails takes nothing away that was found there: it is unpacked again', async () => {
    const { sys, place } = store;
    // Somebody else has brought the lower layer and has not finished.
    await loadInto(store, tarOfLayout(dockerLayout([low], ['other:v1'])));
    const other = lookupImage(sys, place, 'other:v1');
    let stops = 0;
    const frontEnd = {
      on: () => undefined,
      command: (): Promise<FrontEndCommand> => {
        stops += 1;
        // Now it fails, between our look and our writing down.
        rmSync(place.repositories);
        dropImage(sys, place, other.id, [hexOf(low)]);
        return Promise.resolve({ command: 'continue' });
      },
      close: () => undefined,
    };
    const outcome = await loadInto(store, app, { frontEnd, breaks: ['load.register-images'] });
    expect(failureOf(outcome)).toBeUndefined();
    expect(stops).toBe(1);
    expect(outcome.values.layersReady).toEqual({ notes: { unpacked: 1, there: 1 } });
    expect(contentOf('app:v1')).toEqual(['low', 'high']);
  });

  it('two at once of the same image both succeed, and share what they have made', async () => {
    const outcomes = await Promise.all([loadInto(store, app), loadInto(store, app)]);
    expect(outcomes.map(failureOf)).toEqual([undefined, undefined]);
    expect(contentOf('app:v1')).toEqual(['low', 'high']);
    expect(readdirSync(store.place.work)).toEqual([]);
  });

  describe('refuses', () => {
    const image = ociImage([low, high]);
    const flipped = Buffer.from(high);
    flipped[600] = (flipped[600] ?? 0) ^ 1;
    const docker = dockerLayout([low, high], ['bad:v1']);
    const CASES: Readonly<Record<string, readonly [Layout, RegExp]>> = {
      'a layer of which one bit is another': [
        { ...docker, [`${hexOf(high)}/layer.tar`]: flipped },
        /digest|checksum/,
      ],
      'a layer that is another whole one': [
        { ...docker, [`${hexOf(high)}/layer.tar`]: layerOf('other') },
        /its digest is sha256:/,
      ],
      'a layer that leads out': [
        dockerLayout([low, layerOf('x', file('../../../evil', 'x'))], ['bad:v1']),
        /\.\./,
      ],
      'a layer that is cut': [{ ...docker, [`${hexOf(high)}/layer.tar`]: high.subarray(0, 700) }, /cut off/],
      'a layer that is not there': [
        Object.fromEntries(Object.entries(docker).filter(([name]) => !name.startsWith(hexOf(high)))),
        /there is no/,
      ],
      'fewer layers than the configuration says': [
        {
          ...docker,
          'manifest.json': (docker['manifest.json'] as string).replace(`,"${hexOf(high)}/layer.tar"`, ''),
        },
        /Layers has 1 parts/,
      ],
      'an index that is a manifest too': [
        ociLayout([image], indexOf([image.descriptor], { layers: [] })),
        /CVE-2021-41190/,
      ],
      'an id that is a path': [v1Layout([low], { bad: { v1: '../../../../etc' } }), /must have 64/],
      'a name that is none': [dockerLayout([low], ['../../x:v1']), /no name for an image/],
      'a link that leads to itself': [
        { ...docker, [`${hexOf(high)}/layer.tar`]: '-> layer.tar' },
        /leads to links/,
      ],
      'what is no image at all': [{ hello: 'world' }, /there are no images/],
    };

    it.each(Object.entries(CASES))('%s, and the store is as it was', async (_, [layout, message]) => {
      await loadInto(store, tarOfLayout(dockerLayout([low], ['app:v1'])));
      const before = look();
      const failure = failureOf(await loadInto(store, tarOfLayout(layout)));
      expect(failure?.message).toMatch(message);
      expect(['bad-archive', 'breakout', 'bad-image']).toContain(failure?.reason);
      // One sentence that says where.
      expect(failure?.message).toContain('app.tar');
      expect(look()).toEqual(before);
    });

    it('the second of two images, and with it the first', async () => {
      const before = look();
      const bad = dockerLayout([layerOf('x')], ['bad:v1']);
      const manifests = [docker, bad].flatMap(
        (each) => JSON.parse(each['manifest.json'] as string) as unknown[],
      );
      const broken = Object.fromEntries(
        Object.entries(bad).map(([name, content]) => [
          name,
          name.endsWith('layer.tar') ? layerOf('y') : content,
        ]),
      );
      const layout = { ...docker, ...broken, 'manifest.json': JSON.stringify(manifests) };
      expect(failureOf(await loadInto(store, tarOfLayout(layout)))?.reason).toBe('bad-archive');
      expect(look()).toEqual(before);
    });

    it('what costs more than its budget', async () => {
      const before = look();
      const large = tarOfLayout(dockerLayout([layerOf('x', file('big', Buffer.alloc(100_000)))], ['big:v1']));
      expect(failureOf(await loadInto(store, large, { budgets: { bytes: 50_000 } }))?.reason).toBe(
        'bad-archive',
      );
      expect(failureOf(await loadInto(store, large, { budgets: { entries: 2 } }))?.reason).toBe(
        'bad-archive',
      );
      expect(look()).toEqual(before);
      expect(failureOf(await loadInto(store, large))).toBeUndefined();
    });
  });

  it('never runs a program that an image brings, to unpack it or otherwise', async () => {
    const marker = join(store.folder, 'marker');
    const evil = `#!/bin/sh\nenv > ${marker}\n`;
    const programs = ['xz', 'gzip', 'unpigz', 'zstd', 'tar'].flatMap((name) =>
      ['bin', 'usr/bin'].map((folder) => file(`${folder}/${name}`, evil, { mode: 0o755 })),
    );
    const layer = layerOf(
      'x',
      directory('bin'),
      directory('usr'),
      directory('usr/bin'),
      ...programs,
      symlink('lib', '/lib'),
    );
    const gzipped = execFileSync('gzip', ['-nc'], { input: layer });
    const layout = dockerLayout([layer, high], ['evil:v1']);
    layout[`${hexOf(layer)}/layer.tar`] = gzipped;
    expect(
      failureOf(await loadInto(store, execFileSync('gzip', ['-c'], { input: tarOfLayout(layout) }))),
    ).toBeUndefined();
    const root = execFileSync('gzip', ['-c'], { input: layer });
    expect(failureOf(await importInto(store, root))).toBeUndefined();
    expect(existsSync(marker)).toBe(false);
    // The naive way: the image's own program unpacks the next layer.
    const found = readdirSync(join(store.place.overlay, hexOf(layer), 'diff/usr/bin')).sort();
    expect(found).toEqual(['gzip', 'tar', 'unpigz', 'xz', 'zstd']);
    execFileSync(join(store.place.overlay, hexOf(layer), 'diff/usr/bin/gzip'));
    expect(existsSync(marker)).toBe(true);
  });

  it('what an image says of its rights on this host is not believed', async () => {
    const config = {
      Cmd: ['/bin/true'],
      SecurityOpt: ['label:disable'],
      Privileged: true,
      Binds: ['/:/host'],
      CapAdd: ['ALL'],
      Labels: { run: '--privileged', 'io.ts-dock.root': '/', 'com.docker.hook': '/bin/sh' },
    };
    const more = { config, HostConfig: { Privileged: true }, container_config: { Privileged: true } };
    expect(
      failureOf(await loadInto(store, tarOfLayout(dockerLayout([low], ['app:v1'], more)))),
    ).toBeUndefined();
    const image = lookupImage(store.sys, store.place, 'app:v1');
    expect(image.config).toEqual({ Cmd: ['/bin/true'] });
    expect(JSON.stringify(image)).not.toMatch(/rivileged|Binds|CapAdd|SecurityOpt|hook/);
  });

  describe('import', () => {
    const root = tarOf(directory('bin'), file('bin/sh', '#!', { mode: 0o755 }), file('etc/x', 'x'));

    it('makes an image of one layer, whose id says what is in it', async () => {
      const { values } = await importInto(store, root, {
        name: 'root',
        changes: ['CMD ["/bin/sh"]', 'ENV A=b'],
      });
      const image = lookupImage(store.sys, store.place, 'root');
      expect(image.id).toBe(values.registeredImages?.[0]?.id);
      expect(image).toMatchObject({ config: { Cmd: ['/bin/sh'], Env: ['A=b'] }, Size: 3 });
      expect(image.parent).toBeUndefined();
      const config = readFileSync(join(store.place.graph, image.id, 'config'), 'utf8');
      expect(JSON.parse(config)).toMatchObject({
        rootfs: { diff_ids: [digestOf(root)] },
        history: [{ comment: 'Imported from app.tar' }],
      });
    });

    it('the same archive twice is the same layer', async () => {
      await importInto(store, root, { name: 'one' });
      await importInto(store, execFileSync('gzip', ['-c'], { input: root }), { name: 'two' });
      expect(readTags(store.sys, store.place).size).toBe(2);
      expect(readdirSync(join(store.place.overlay, 'l'))).toHaveLength(1);
    });

    it('refuses what leads out, and what is a folder', async () => {
      const before = look();
      const outcome = await importInto(store, tarOf(symlink('x', '/etc'), file('../y', 'z')));
      expect(['bad-archive', 'breakout']).toContain(failureOf(outcome)?.reason);
      expect(failureOf(await importInto(store, { path: store.folder }))?.reason).toBe('bad-usage');
      expect(failureOf(await importInto(store, Buffer.from('hello')))?.reason).toBe('bad-archive');
      expect(look()).toEqual(before);
    });
  });
});
