/** Configurations as the world writes them, and as it must not. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { chainIds, imageConfigText, parseImageConfig } from '../../src/daemon/image-config.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { seeded } from '../archive/rig-read.ts';

const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const diffIds = [digest('one'), digest('two'), digest('three')];

/** As `docker build` writes it, with keys that are nobody's business. */
const whole = {
  architecture: 'amd64',
  author: 'somebody',
  config: {
    AttachStdin: true,
    Hostname: 'build',
    User: 'www-data',
    Env: ['PATH=/bin', 'EMPTY='],
    Cmd: ['sh', '-c', 'true'],
    Entrypoint: null,
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    WorkingDir: '/srv',
    Labels: { a: 'b', __proto__x: 'c' },
    OnBuild: ['RUN true'],
    Shell: ['/bin/bash', '-c'],
    StopSignal: 'SIGQUIT',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 30_000_000_000, Retries: 3 },
    SecurityOpt: ['label:disable'],
    Privileged: true,
    Binds: ['/:/host'],
  },
  container: 'f00',
  container_config: { Hostname: 'x' },
  created: '2024-01-02T03:04:05.6Z',
  docker_version: '27',
  history: [
    { created: '2024-01-02T03:04:05Z', created_by: 'ADD file' },
    { created_by: 'CMD sh', empty_layer: true, comment: 'buildkit' },
    { created_by: 'RUN x', author: 'me', empty_layer: false },
  ],
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: diffIds },
  variant: 'v2',
  HostConfig: { Privileged: true },
};

const parse = (value: unknown) => parseImageConfig('x.tar: config', JSON.stringify(value));

test('what an image may say is taken, the rest is not there', () => {
  expect(parse(whole)).toEqual({
    architecture: 'amd64',
    os: 'linux',
    variant: 'v2',
    created: '2024-01-02T03:04:05.6Z',
    author: 'somebody',
    config: {
      User: 'www-data',
      Env: ['PATH=/bin', 'EMPTY='],
      Cmd: ['sh', '-c', 'true'],
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
      WorkingDir: '/srv',
      StopSignal: 'SIGQUIT',
    },
    carried: {
      Labels: { a: 'b', __proto__x: 'c' },
      OnBuild: ['RUN true'],
      Shell: ['/bin/bash', '-c'],
      Healthcheck: { Test: ['CMD', 'true'], Interval: 30_000_000_000, Retries: 3 },
    },
    diffIds,
    history: [
      { created: '2024-01-02T03:04:05Z', created_by: 'ADD file' },
      { created_by: 'CMD sh', empty_layer: true, comment: 'buildkit' },
      { created_by: 'RUN x', author: 'me' },
    ],
  });
});

test('the least that there may be', () => {
  const least = { architecture: 'arm64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } };
  const wanted = { architecture: 'arm64', os: 'linux', created: '', config: {}, diffIds: [], history: [] };
  expect(parse(least)).toEqual(wanted);
  // Go writes null for what is not there.
  const nulls = { config: null, history: null, created: null, author: null, variant: null };
  expect(parse({ ...least, ...nulls, rootfs: { type: 'layers', diff_ids: null } })).toEqual(wanted);
});

test('what is written says the same again, in the same bytes whatever the order of the keys', () => {
  const image = parse(whole);
  const text = imageConfigText(image);
  expect(parseImageConfig('again', text)).toEqual(image);
  const turned = { ...image, config: Object.fromEntries(Object.entries(image.config).reverse()) };
  expect(imageConfigText(turned)).toBe(text);
});

test('chain ids are those of the OCI specification', () => {
  const [one, two, three] = diffIds as [string, string, string];
  const second = digest(`${one} ${two}`);
  const third = digest(`${second} ${three}`);
  expect(chainIds(diffIds)).toEqual([one, second, third].map((id) => id.slice(7)));
  expect(chainIds([])).toEqual([]);
});

const BAD: Readonly<Record<string, readonly [unknown, string]>> = {
  'no object': [[], 'the configuration must be an object'],
  'no architecture': [{ ...whole, architecture: undefined }, 'architecture'],
  'an os that is no text': [{ ...whole, os: 7 }, 'os'],
  'an architecture with a NUL': [{ ...whole, architecture: 'a\0b' }, 'architecture'],
  'a time that is no text': [{ ...whole, created: 7 }, 'created'],
  'no rootfs': [{ ...whole, rootfs: undefined }, 'rootfs must be an object'],
  'a rootfs of another type': [{ ...whole, rootfs: { type: 'tree', diff_ids: [] } }, 'rootfs.type'],
  'diff ids that are no list': [
    { ...whole, rootfs: { type: 'layers', diff_ids: 'x' } },
    'rootfs.diff_ids must',
  ],
  'a diff id that is a path': [
    { ...whole, rootfs: { type: 'layers', diff_ids: [diffIds[0], '../../etc'] } },
    'rootfs.diff_ids[1]',
  ],
  'a diff id of another kind': [
    { ...whole, rootfs: { type: 'layers', diff_ids: [`sha512:${'a'.repeat(64)}`] } },
    'rootfs.diff_ids[0]',
  ],
  'a diff id in large letters': [
    { ...whole, rootfs: { type: 'layers', diff_ids: [diffIds[0]!.toUpperCase()] } },
    'rootfs.diff_ids[0]',
  ],
  'a million layers': [
    { ...whole, rootfs: { type: 'layers', diff_ids: new Array(5000).fill(diffIds[0]) } },
    'rootfs.diff_ids has 5000 entries',
  ],
  'history that is no list': [{ ...whole, history: {} }, 'history must be a list'],
  'too much history': [{ ...whole, history: new Array(5000).fill({}) }, 'history has 5000 entries'],
  'an entry of history that is text': [{ ...whole, history: ['x'] }, 'history[0] must be an object'],
  'history of numbers': [{ ...whole, history: [{ created_by: 7 }] }, 'history[0].created_by'],
  'an empty_layer that is text': [
    { ...whole, history: [{ empty_layer: 'false' }] },
    'history[0].empty_layer',
  ],
  'a config that is a list': [{ ...whole, config: [] }, 'config must be an object'],
  'a command that is text': [{ ...whole, config: { Cmd: 'sh' } }, 'config.Cmd'],
  'an environment without values': [{ ...whole, config: { Env: ['=x'] } }, 'config.Env'],
  'labels that are numbers': [{ ...whole, config: { Labels: { a: 1 } } }, 'config.Labels'],
  'a shell that is text': [{ ...whole, config: { Shell: 'sh' } }, 'config.Shell'],
  'a health check that is text': [{ ...whole, config: { Healthcheck: 'true' } }, 'config.Healthcheck'],
  'a health check of text': [{ ...whole, config: { Healthcheck: { Test: 'x' } } }, 'config.Healthcheck.Test'],
  'an interval of text': [
    { ...whole, config: { Healthcheck: { Interval: '1' } } },
    'config.Healthcheck.Interval',
  ],
};

describe('what is refused', () => {
  const refusal = (text: string): TsDockError => {
    try {
      parseImageConfig('x.tar: config', text);
    } catch (error) {
      if (error instanceof TsDockError) return error;
      throw error;
    }
    throw new Error('it was taken');
  };

  test.each(Object.entries(BAD))('%s', (_title, [value, words]) => {
    const error = refusal(JSON.stringify(value));
    expect(error.reason).toBe('bad-image');
    expect(error.message).toContain(`cannot use x.tar: config: ${words}`);
  });

  test('what is no JSON, or nothing but brackets', () => {
    for (const text of ['', '{', 'null', '"x"', '7', '[[', '['.repeat(1_000_000), '{"a":'.repeat(500_000)])
      expect(refusal(text).reason).toBe('bad-image');
  });
});

describe('configurations with changes at random', () => {
  const values = [null, 7, -1, 1e300, '', 'x', 'a\0b', [], {}, [null], { a: null }, true, [[]], '__proto__'];

  /** Another value somewhere, or a key fewer. */
  function changed(value: unknown, random: (below: number) => number): unknown {
    if (random(6) === 0 || typeof value !== 'object' || value === null) return values[random(values.length)];
    const keys = Object.keys(value);
    const key = keys[random(keys.length)];
    if (key === undefined) return 'x';
    if (Array.isArray(value))
      return value.map((entry: unknown, n) => (n.toString() === key ? changed(entry, random) : entry));
    const fields = Object.entries(value).filter(([name]) => name !== key || random(8) > 0);
    return Object.fromEntries(
      fields.map(([name, entry]: [string, unknown]) => [name, name === key ? changed(entry, random) : entry]),
    );
  }

  test.each([1, 2, 3])('seed %i: taken or refused, and what is taken can be written', (seed) => {
    const random = seeded(seed);
    const seen = { taken: 0, refused: 0 };
    for (let n = 0; n < 2000; n++) {
      const text = JSON.stringify(changed(whole, random));
      const cut = random(10) === 0 ? text.slice(0, random(text.length)) : text;
      try {
        const image = parseImageConfig('fuzz', cut);
        expect(parseImageConfig('again', imageConfigText(image))).toEqual(image);
        seen.taken += 1;
      } catch (error) {
        if (!(error instanceof TsDockError) || error.reason !== 'bad-image') throw error;
        seen.refused += 1;
      }
    }
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(100);
  });
});
