/** The base image where a part of it was lost, where a process was killed in making it, and where several make it at once. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';
import { diffOf, linkFolder } from '../../src/daemon/layers.ts';
import type { Place } from '../../src/daemon/place.ts';
import { lookupImage, setTag } from '../../src/daemon/tags.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { ensure, expectWhole, freshPlace, idOf, layersOf, only, sys } from './base-image-rig.ts';

describe.skipIf(skipUnlessRoot())('repair', () => {
  const few = only('sh', 'cat');
  const damages: readonly [string, (place: Place, layers: readonly string[]) => void][] = [
    ['the tag', (place) => rmSync(place.repositories)],
    [
      'the tag, which names an image that is not there',
      (place) => setTag(sys, place, 'base', 'latest', 'a'.repeat(64)),
    ],
    ['an image', (place, [top]) => rmSync(join(place.graph, top!), { recursive: true })],
    [
      'an image in the middle',
      (place, [, middle]) => rmSync(join(place.graph, middle!), { recursive: true }),
    ],
    ['the JSON of an image', (place, [, , last]) => rmSync(join(place.graph, last!, 'json'))],
    [
      'half of the JSON of an image',
      (place, [top]) => writeFileSync(join(place.graph, top!, 'json'), '{"id":'),
    ],
    ['a layer', (place, [, middle]) => rmSync(join(place.overlay, middle!), { recursive: true })],
    ['the files of a layer', (place, [, middle]) => rmSync(diffOf(place, middle!), { recursive: true })],
    ['the link to a layer', (place, [top]) => rmSync(join(linkFolder(place), top!.slice(0, 12)))],
    ['the name of the link to a layer', (place, [top]) => rmSync(join(place.overlay, top!, 'link'))],
    [
      'a file of a layer, and the tag',
      (place, [top]) => {
        rmSync(join(diffOf(place, top!), 'usr/bin/hello-from-ts-dock'));
        rmSync(place.repositories);
      },
    ],
    [
      'the mode of a file, and the tag',
      (place, [top]) => {
        chmodSync(join(diffOf(place, top!), 'usr/bin/hello-from-ts-dock'), 0o4755);
        rmSync(place.repositories);
      },
    ],
    [
      'everything but the scratch of one that was killed',
      (place, [top]) => {
        for (const folder of [place.graph, place.overlay]) {
          for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
        }
        mkdirSync(linkFolder(place));
        mkdirSync(join(place.overlay, 'mnt'));
        rmSync(place.repositories);
        for (const name of ['base-skeleton', 'base-programs', `graph-${top!}`, 'lost-layer-x']) {
          mkdirSync(join(place.root, 'tmp', name, 'diff', 'usr'), { recursive: true });
          writeFileSync(join(place.root, 'tmp', name, 'diff', 'usr', 'half'), 'ha');
        }
      },
    ],
  ];

  for (const [what, damage] of damages) {
    test(`brings back ${what}`, () => {
      const place = freshPlace();
      ensure(place, few);
      const id = idOf(place);
      damage(place, layersOf(place));
      expect(ensure(place, few)).toHaveLength(1);
      expect(idOf(place)).toBe(id);
      expectWhole(place);
      expect(ensure(place, few)).toEqual([]);
    });
  }

  test('leaves a layer alone that is whole: a container may be using it', () => {
    const place = freshPlace();
    ensure(place, few);
    const inodes = (): number[] => layersOf(place).map((id) => statSync(diffOf(place, id)).ino);
    const before = inodes();
    rmSync(place.graph, { recursive: true });
    mkdirSync(place.graph);
    ensure(place, few);
    expect(inodes()).toEqual(before);
  });

  test('leaves base alone that somebody tagged, and other tags', () => {
    const place = freshPlace();
    ensure(place, few);
    const [, programs] = layersOf(place);
    setTag(sys, place, 'base', 'latest', programs!);
    setTag(sys, place, 'base', 'mine', programs!);
    expect(ensure(place, few)).toEqual([]);
    setTag(sys, place, 'base', 'latest', 'f'.repeat(64));
    expect(ensure(place, few)).toHaveLength(1);
    expect(lookupImage(sys, place, 'base:mine').id).toBe(programs);
  });

  test('does not write over a damaged list of tags', () => {
    const place = freshPlace();
    writeFileSync(place.repositories, '{');
    expect(() => ensure(place, few)).toThrow(/names of the images/);
    expect(readFileSync(place.repositories, 'utf8')).toBe('{');
  });
});

describe.skipIf(skipUnlessRoot())('several at once', () => {
  const source = (name: string): string => JSON.stringify(join(import.meta.dirname, '../../src', name));
  /** Of many programs, which takes longer; what is said goes to standard output. */
  const contents = `
    import { Kernel } from ${source('kernel/kernel.ts')};
    import { placeOf } from ${source('daemon/place.ts')};
    import { ensureBaseImage } from ${source('daemon/base-image.ts')};
    const sys = new Kernel();
    const find = (name) => (name === 'busybox' ? undefined : sys.findProgram(name));
    ensureBaseImage(sys, placeOf(process.argv[2]), (text) => process.stdout.write(text + '\\n'), find);
  `;

  async function bundled(): Promise<string> {
    // In build/, from where the native addon is found.
    const outfile = join(import.meta.dirname, '../../build', `base-image-test-${process.pid}.mjs`);
    onTestFinished(() => rmSync(outfile, { force: true }));
    const stdin = { contents, resolveDir: import.meta.dirname, loader: 'ts' } as const;
    await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile, logLevel: 'error' });
    return outfile;
  }

  const make = (program: string, place: Place): ChildProcessByStdio<null, Readable, null> =>
    spawn(process.execPath, [program, place.root], { stdio: ['ignore', 'pipe', 'inherit'] });

  test('end with one image, and one of them says so', async () => {
    const place = freshPlace();
    const program = await bundled();
    const all = Array.from({ length: 4 }, () => make(program, place));
    const ended = all.map((child) => once(child, 'close'));
    const said = await Promise.all(all.map((child) => text(child.stdout)));
    expect(await Promise.all(ended)).toEqual(all.map(() => [0, null]));
    expect(said.filter((words) => words !== '')).toEqual([expect.stringMatching(/^Made base:latest.*\n$/)]);
    expectWhole(place);
  });

  test('killed at any moment, the next one makes it all the same', async () => {
    const program = await bundled();
    for (const wait of [60, 90, 120, 150, 180, 210]) {
      const place = freshPlace();
      const child = make(program, place);
      const ended = once(child, 'exit');
      setTimeout(() => child.kill('SIGKILL'), wait);
      await ended;
      ensure(place);
      // Under the lock the scratch is cleared; one killed between the tag and that leaves it to the next that makes something.
      expectWhole(place, false);
    }
  });
});
