/** Layouts of images of every form, read as archive, compressed, through a pipe and as folder, without anything being unpacked. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reason } from '../../src/engine/failure.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { directory, file, hardlink, pieces, symlink, tarOf } from '../archive/rig-tar.ts';
import { skipUnlessProgram } from '../rig/skip.ts';
import {
  configOf,
  digestOf,
  dockerLayout,
  hexOf,
  idOf,
  indexOf,
  layerOf,
  nested,
  OCI,
  ociImage,
  ociLayout,
  readLayout,
  tarOfLayout,
  v1Layout,
  writeFolder,
  type Json,
  type Layout,
} from './rig.ts';

const sys = new Kernel();
let top = '';
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'layouts-'));
});
afterEach(() => {
  rmSync(top, { recursive: true });
});

const [low, high] = [layerOf('low'), layerOf('high')];
const image = ociImage([low, high]);
const whole = 'docker.io/library/app:v1';
const named = (descriptor: object, name = whole): Json => ({
  ...descriptor,
  annotations: { 'io.containerd.image.name': name },
});

const LAYOUTS: Readonly<Record<string, Layout>> = {
  docker: dockerLayout([low, high], ['app:v1', 'reg.test:5000/me/app:v2']),
  v1: v1Layout([low, high], { app: { v1: idOf('1') }, 'reg.test:5000/me/app': { v2: idOf('1') } }),
  oci: ociLayout(
    [image],
    indexOf([named(image.descriptor), named(image.descriptor, 'reg.test:5000/me/app:v2')]),
  ),
};

const NAMES = [
  { repository: 'app', key: 'v1' },
  { repository: 'reg.test:5000/me/app', key: 'v2' },
];

let count = 0;
function archive(bytes: Uint8Array): { path: string } {
  const path = join(top, `a${(count += 1).toString()}`);
  writeFileSync(path, bytes);
  return { path };
}
const scratch = (): string => join(top, `work${(count += 1).toString()}`);
const read = (layout: Layout, options = {}): ReturnType<typeof readLayout> =>
  readLayout(sys, archive(tarOfLayout(layout)), { scratch: scratch(), ...options });

const because = (reason: Reason, message: RegExp): Error =>
  expect.objectContaining({ reason, message: expect.stringMatching(message) as string }) as Error;
const refused = async (
  layout: Layout,
  message: RegExp,
  reason: Reason = 'bad-archive',
  options = {},
): Promise<void> => {
  await expect(read(layout, options)).rejects.toThrow(because(reason, message));
};

describe.each(Object.entries(LAYOUTS))('a layout of the form %s', (form, layout) => {
  const tar = tarOfLayout(layout);
  const right = (set: Awaited<ReturnType<typeof readLayout>>): void => {
    expect(set.images).toHaveLength(1);
    expect(set.images[0]?.names).toEqual(NAMES);
    expect(set.contents).toEqual([[low, high]]);
    expect(set.images[0]?.config).toMatchObject({
      os: 'linux',
      config: { Env: ['A=b'], Cmd: ['/bin/true'] },
      diffIds: [low, high].map(digestOf),
    });
    if (form !== 'v1') expect(hexOf(set.images[0]?.configBytes ?? '')).toBe(hexOf(configOf([low, high])));
  };

  it('is read where it lies, without a copy', async () => {
    const work = scratch();
    const set = await readLayout(sys, archive(tar), { scratch: work });
    right(set);
    expect(set.kind).toBe('archive');
    expect(readdirSync(work)).toEqual([]);
  });

  it('is read through gzip, and through a pipe in pieces', async () => {
    right(await readLayout(sys, archive(gzipSync(tar)), { scratch: scratch() }));
    for (const size of [511, 70_000])
      right(await readLayout(sys, { stream: pieces(tar, size) }, { scratch: scratch() }));
  });

  it.skipIf(skipUnlessProgram('zstd'))('is read through zstd', async () => {
    const bytes = execFileSync('zstd', ['-c'], { input: tar, maxBuffer: 1 << 28 });
    right(await readLayout(sys, archive(bytes), { scratch: scratch() }));
  });

  it('is read as a folder', async () => {
    const set = await readLayout(
      sys,
      { path: writeFolder(join(top, 'folder'), layout) },
      { scratch: scratch() },
    );
    right(set);
    expect(set.kind).toBe('folder');
  });

  it('is read with ./ before each name, as tar writes it', async () => {
    const renamed = Object.fromEntries(
      Object.entries(layout).map(([name, content]) => [`./${name}`, content]),
    );
    right(await read(renamed));
  });

  it('is refused where it is cut anywhere', async () => {
    // Behind the last content nothing is lost: only the end of the archive.
    const end = tar.length - 1024 - 512;
    for (let at = 700; at < end; at += 1111)
      await expect(readLayout(sys, archive(tar.subarray(0, at)), { scratch: scratch() })).rejects.toThrow(
        because('bad-archive', /app\.tar/),
      );
  });
});

describe('links in an archive', () => {
  const ids = [idOf('0'), idOf('1')] as const;
  const twice = (content: string): Layout => ({
    ...v1Layout([low, low], { app: { v1: ids[1] } }),
    [`${ids[1]}/layer.tar`]: content,
  });

  it('lead from a layer to the same one, as Docker up to 1.9 wrote them', async () => {
    expect((await read(twice(`-> ../${ids[0]}/layer.tar`))).contents).toEqual([[low, low]]);
    const layout = v1Layout([low], { app: { v1: ids[0] } });
    layout[`${ids[0]}/layer.tar`] = '-> ./aside';
    expect(
      (
        await readLayout(
          sys,
          archive(tarOfLayout(layout, [hardlink(`${ids[0]}/aside`, 'real'), file('real', low)])),
          { scratch: scratch() },
        )
      ).contents,
    ).toEqual([[low]]);
  });

  it.each([
    ['out of it', '-> ../../../../../../etc/passwd', /there is no/],
    ['to an absolute name', '-> /etc/passwd', /there is no/],
    ['to themselves', '-> layer.tar', /leads to links/],
  ])('are refused that lead %s', async (_, content, message) => {
    await refused(twice(content), message);
  });

  it('are refused that lead in a circle', async () => {
    const layout = { ...twice('-> other'), [`${ids[1]}/other`]: '-> layer.tar' };
    await refused(layout, /leads to links/);
  });

  it('are not followed in a folder', async () => {
    const folder = writeFolder(join(top, 'folder'), LAYOUTS['docker'] ?? {});
    writeFileSync(join(top, 'elsewhere'), low);
    rmSync(join(folder, `${hexOf(low)}/layer.tar`));
    symlinkSync(join(top, 'elsewhere'), join(folder, `${hexOf(low)}/layer.tar`));
    await expect(readLayout(sys, { path: folder }, { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /is a link/),
    );
  });

  it('a fifo in a folder keeps nobody waiting', async () => {
    const folder = writeFolder(join(top, 'folder'), LAYOUTS['docker'] ?? {});
    rmSync(join(folder, 'manifest.json'));
    execFileSync('mkfifo', [join(folder, 'manifest.json')]);
    await expect(readLayout(sys, { path: folder }, { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /is no file/),
    );
  });
});

describe('what is in an archive twice', () => {
  it.each(Object.entries(LAYOUTS))('is refused, whichever member of %s it is', async (_, layout) => {
    for (const [name, content] of Object.entries(layout)) {
      const bytes = tarOfLayout(layout, [file(name, content)]);
      await expect(readLayout(sys, archive(bytes), { scratch: scratch() }), name).rejects.toThrow(
        because('bad-archive', /twice/),
      );
    }
  });

  it('does no harm where nobody reads it', async () => {
    const bytes = tarOfLayout(LAYOUTS['docker'] ?? {}, [
      file('README', 'a'),
      file('README', 'b'),
      directory('x'),
      directory('x'),
    ]);
    expect((await readLayout(sys, archive(bytes), { scratch: scratch() })).images).toHaveLength(1);
  });
});

describe('names of members', () => {
  it.each(['../x', 'a/../../x', '/../x'])('%s is refused', async (name) => {
    const bytes = tarOfLayout(LAYOUTS['docker'] ?? {}, [file(name, 'x')]);
    await expect(readLayout(sys, archive(bytes), { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /leads out of it/),
    );
  });

  it('the naive way does lead out: names that are joined, links that are followed', () => {
    const folder = join(top, 'sacrificed/inner');
    mkdirSync(folder, { recursive: true });
    const { path } = archive(tarOf(file('../victim', 'x'), symlink('layer.tar', '../../secret')));
    writeFileSync(join(top, 'secret'), 'of the host');
    execFileSync('tar', ['-P', '-C', folder, '-xf', path]);
    expect(readdirSync(join(top, 'sacrificed')).sort()).toEqual(['inner', 'victim']);
    expect(readFileSync(join(folder, 'layer.tar'), 'utf8')).toBe('of the host');
    const id = '../../victim-of-an-id';
    mkdirSync(join(folder, 'graph'));
    mkdirSync(join(folder, 'graph', id));
    expect(readdirSync(join(top, 'sacrificed')).sort()).toContain('victim-of-an-id');
  });

  it.each(['a link', 'a folder', 'a device'])('of a manifest that is %s are refused', async (what) => {
    const { 'manifest.json': _, ...rest } = LAYOUTS['docker'] ?? {};
    const member = {
      'a link': symlink('manifest.json', '/etc/passwd'),
      'a folder': directory('manifest.json'),
      'a device': { name: 'manifest.json', type: '3', major: 1, minor: 5 },
    }[what];
    await expect(
      readLayout(sys, archive(tarOfLayout(rest, member === undefined ? [] : [member])), {
        scratch: scratch(),
      }),
    ).rejects.toThrow(because('bad-archive', /manifest\.json/));
  });
});

describe('ids of the first form', () => {
  const of = (id: Json): Layout => v1Layout([low], { app: { v1: id } });

  it.each([
    ...['..', '../..', 'a/b', '', '/etc', 'x'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64)],
    ...[`${'a'.repeat(64)}\0`, `${'a'.repeat(60)}/../`, 'ａ'.repeat(64), 5, null, ['a'.repeat(64)], {}],
  ] as Json[])('%j in the repositories is refused', async (id) => {
    await refused(of(id), /repositories: app\.v1 must/);
  });

  it('that are not there are refused', async () => {
    await refused(of(idOf('9')), /there is no/);
  });

  it.each(['..', '../../x', 'a/b', 'a'.repeat(65), 'A'.repeat(64)])(
    '%j as a parent is refused',
    async (parent) => {
      await refused(v1Layout([low], { app: { v1: idOf('0') } }, { parent }), /parent must have 64/);
    },
  );

  it('must be those of their folders', async () => {
    await refused(
      v1Layout([low], { app: { v1: idOf('0') } }, { id: idOf('9') }),
      /id must be the name of its folder/,
    );
  });

  it('whose parents are not there, or are their children, are refused', async () => {
    await refused(v1Layout([low], { app: { v1: idOf('0') } }, { parent: idOf('9') }), /there is no/);
    await refused(v1Layout([low], { app: { v1: idOf('0') } }, { parent: idOf('0') }), /its own ancestor/);
    const circle = v1Layout([low, high], { app: { v1: idOf('1') } });
    circle[`${idOf('0')}/json`] = JSON.stringify({ id: idOf('0'), parent: idOf('1') });
    await refused(circle, /its own ancestor/);
  });

  it('stand on at most 127 layers', async () => {
    const deep = (n: number): Layout =>
      v1Layout(
        Array.from({ length: n }, () => low),
        { app: { v1: idOf((n - 1).toString()) } },
      );
    expect((await read(deep(127))).images[0]?.layers).toHaveLength(127);
    await refused(deep(128), /more than 127 layers/);
  });
});

describe('the first form', () => {
  it('without repositories has the images that nothing stands on, without names', async () => {
    const { images } = await read(v1Layout([low, high], undefined));
    expect(images.map(({ names, layers }) => [names, layers.length])).toEqual([[[], 2]]);
  });

  it('becomes a configuration: command, author, history, digests of the layers', async () => {
    const { images } = await read(v1Layout([low, high], { app: { v1: idOf('1') } }, { author: 'somebody' }));
    expect(images[0]?.config).toMatchObject({
      author: 'somebody',
      architecture: 'amd64',
      created: '2014-09-02T00:00:00Z',
      history: [{ created_by: '/bin/sh -c #(nop) step 0' }, { created_by: '/bin/sh -c #(nop) step 1' }],
    });
    // The same archive has the same id on every day.
    const again = await read(v1Layout([low, high], { app: { v1: idOf('1') } }, { author: 'somebody' }));
    expect(again.images[0]?.configBytes).toEqual(images[0]?.configBytes);
  });

  it('asks for nothing on this host', async () => {
    const more = { HostConfig: { Privileged: true, Binds: ['/:/host'] } };
    const config = {
      Cmd: ['x'],
      SecurityOpt: ['label:disable'],
      Privileged: true,
      HostConfig: { Binds: ['/:/host'] },
    };
    const { images } = await read(v1Layout([low], { app: { v1: idOf('0') } }, { ...more, config }));
    expect(Buffer.from(images[0]?.configBytes ?? '').toString()).not.toMatch(/Privileged|Binds|SecurityOpt/);
    expect(images[0]?.config.config).toEqual({ Cmd: ['x'] });
  });

  it.each(['2.0', '', 'x'])('of the version %j is refused', async (version) => {
    await refused(
      { ...v1Layout([low], { app: { v1: idOf('0') } }), [`${idOf('0')}/VERSION`]: version },
      /it must be 1\.0/,
    );
  });
});

describe('digests', () => {
  const flip = (content: string | Uint8Array): Buffer => {
    const bytes = Buffer.from(content);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };

  it('of every blob of an OCI layout are checked: one bit is enough', async () => {
    const layout = LAYOUTS['oci'] ?? {};
    for (const name of Object.keys(layout).filter((each) => each.startsWith('blobs/')))
      await refused({ ...layout, [name]: flip(layout[name] ?? '') }, /its digest is sha256:/);
  });

  it('sizes too', async () => {
    const { descriptor } = image;
    for (const size of [descriptor.size + 1, descriptor.size - 1, -1, 1.5, '5', null] as Json[])
      await refused(
        ociLayout([image], indexOf([{ ...descriptor, size }])),
        /bytes/,
        size === descriptor.size + 1 || size === descriptor.size - 1 ? 'bad-archive' : 'bad-image',
      );
  });

  it('in the names of a docker archive are held to, and the configuration’s id follows its content', async () => {
    const layout = LAYOUTS['docker'] ?? {};
    const name = Object.keys(layout).find((each) => each.endsWith('.json') && each !== 'manifest.json') ?? '';
    await refused({ ...layout, [name]: `${layout[name] as string} ` }, /its digest is sha256:/);
  });

  it.each(['sha512:' + 'a'.repeat(128), 'sha256:../../x', 'sha256:' + 'A'.repeat(64), 'a'.repeat(64), '', 5])(
    '%j is refused as one',
    async (digest) => {
      await refused(ociLayout([image], indexOf([{ ...image.descriptor, digest }])), /digest/, 'bad-image');
    },
  );
});

describe('what is two things at once', () => {
  it.each([
    ['an index that has layers', indexOf([image.descriptor], { layers: [] })],
    ['an index that has a config', indexOf([image.descriptor], { config: image.descriptor })],
    [
      'a manifest in place of the index',
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${OCI}.manifest.v1+json`,
        config: image.descriptor,
        layers: [],
      }),
    ],
    ['schema 1', JSON.stringify({ schemaVersion: 1, fsLayers: [], history: [] })],
  ])('%s is refused', async (_, index) => {
    await refused(ociLayout([image], index), /index\.json/, 'bad-image');
  });

  it.each([
    ['a manifest that has manifests', { manifests: [] }],
    ['a manifest that says it is an index', { mediaType: `${OCI}.index.v1+json` }],
  ])('%s is refused', async (_, manifest) => {
    const both = ociImage([low], { manifest });
    await refused(
      ociLayout([both], indexOf([both.descriptor])),
      /CVE-2021-41190|says that it is/,
      'bad-image',
    );
  });

  it('a manifest that an index was announced for is refused, and the other way round', async () => {
    const asIndex = { ...image.descriptor, mediaType: `${OCI}.index.v1+json` };
    await refused(ociLayout([image], indexOf([asIndex])), /says that it is/, 'bad-image');
    const inner = nested(indexOf([image.descriptor]));
    const asManifest = { ...inner.descriptor, mediaType: `${OCI}.manifest.v1+json` };
    await refused(ociLayout([image, inner], indexOf([asManifest])), /says that it is/, 'bad-image');
  });
});

describe('images for several machines', () => {
  const arm = ociImage([high], { config: { architecture: 'arm64' } });
  const amd = ociImage([low]);
  const for_ = (architecture: string, parts: typeof amd): Json => ({
    ...parts.descriptor,
    platform: { os: 'linux', architecture },
  });
  const attestation: Json = {
    ...amd.descriptor,
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
  };
  const inner = nested(indexOf([attestation, for_('arm64', arm), for_('amd64', amd)]));
  const layout = ociLayout([arm, amd, inner], indexOf([named(inner.descriptor)]));
  const flat = ociLayout([arm, amd], indexOf([for_('arm64', arm), for_('amd64', amd)]));

  it.each([
    ['linux/amd64', low],
    ['linux/arm64', high],
    ['linux/arm64/v8', high],
  ])('%s chooses among them, in an index within the index and side by side', async (platform, layer) => {
    const set = await read(layout, { platform });
    expect(set.contents).toEqual([[layer]]);
    expect(set.images[0]?.names).toEqual([NAMES[0]]);
    expect((await read(flat, { platform })).contents).toEqual([[layer]]);
  });

  it.runIf(process.arch === 'x64')('this machine’s is taken where none is said', async () => {
    expect((await read(layout)).contents).toEqual([[low]]);
    expect((await read(flat)).contents).toEqual([[low]]);
  });

  it('one that is not there is an error that says which are', async () => {
    await refused(layout, /none for linux\/s390x/, 'no-such-image', { platform: 'linux/s390x' });
    await refused(LAYOUTS['docker'] ?? {}, /no image for linux\/arm64/, 'no-such-image', {
      platform: 'linux/arm64',
    });
  });

  it('an image for another machine alone is taken, with a warning', async () => {
    const set = await read(ociLayout([arm], indexOf([arm.descriptor])), {});
    expect(set.images).toHaveLength(1);
    expect(set.warnings.join()).toMatch(process.arch === 'x64' ? /arm64/ : /^$/);
  });

  it('the index is asked where docker’s manifest lies beside it', async () => {
    const both = { ...layout, ...dockerLayout([low], ['app:v1']) };
    expect((await read(both)).form).toBe('docker');
    expect((await read(both, { platform: 'linux/arm64' })).contents).toEqual([[high]]);
  });

  it('indexes are not followed without end', async () => {
    let deep = nested(indexOf([image.descriptor]));
    const parts = [image, deep];
    for (let i = 0; i < 6; i++) parts.push((deep = nested(indexOf([deep.descriptor]))));
    await refused(ociLayout(parts, indexOf([deep.descriptor])), /an index within/);
  });
});

describe('budgets', () => {
  it('a manifest of a gigabyte is refused before any of it is read', async () => {
    // Only its header is there: a reader that believed it would ask for a gigabyte first.
    const huge = tarOf(file('manifest.json', '', { size: 2 ** 30 }));
    const path = archive(huge).path;
    execFileSync('truncate', ['-s', (2 ** 30 + 4096).toString(), path]);
    const before = process.memoryUsage().rss;
    await expect(readLayout(sys, { path }, { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /manifest\.json: it has 1073741824 bytes, and may have 4194304/),
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });

  it('all documents together have a bound', async () => {
    const layout = dockerLayout([low], [], { author: 'x'.repeat(100_000) });
    const config = Object.keys(layout)[0] ?? '';
    const entry = (JSON.parse(layout['manifest.json'] as string) as Json[])[0] ?? null;
    layout['manifest.json'] = JSON.stringify(Array.from({ length: 900 }, () => entry));
    await refused(layout, /its documents have more than/, 'bad-archive', {
      budgets: { json: layout['manifest.json'].length },
    });
    expect(config).toMatch(/json$/);
  });

  it('what a pipe brings is spooled up to the budget of bytes', async () => {
    const tar = tarOfLayout(LAYOUTS['docker'] ?? {});
    await expect(
      readLayout(sys, { stream: pieces(tar) }, { scratch: scratch(), budgets: { bytes: 1000 } }),
    ).rejects.toThrow(because('bad-archive', /unpacks to more than 1000 bytes/));
  });

  it('names without end are refused', async () => {
    const members = Array.from({ length: 4300 }, (_, i) => file(`${'n'.repeat(4000)}${i.toString()}`));
    await expect(readLayout(sys, archive(tarOf(...members)), { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /names that are too long/),
    );
  });
});

describe('what is no layout', () => {
  it.each([
    ['an empty file', Buffer.alloc(0), /no tar archive|there are no images/],
    ['an empty archive', Buffer.alloc(1024), /there are no images/],
    ['the archive of a root', layerOf('x'), /there are no images/],
    ['text', Buffer.from('hello '.repeat(300)), /does not begin with the header/],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2, 3]), /xz/],
  ])('%s is refused', async (_, bytes, message) => {
    await expect(readLayout(sys, archive(bytes), { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', message),
    );
    await expect(readLayout(sys, { stream: pieces(bytes) }, { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', message),
    );
  });

  it('a folder without images, and what is not there', async () => {
    mkdirSync(join(top, 'none'));
    await expect(readLayout(sys, { path: join(top, 'none') }, { scratch: scratch() })).rejects.toThrow(
      because('bad-archive', /there are no images/),
    );
    await expect(readLayout(sys, { path: join(top, 'not-there') }, { scratch: scratch() })).rejects.toThrow(
      because('bad-usage', /ENOENT/),
    );
  });
});

describe('malformed documents', () => {
  it.each([
    '',
    '[',
    'null',
    '5',
    '"x"',
    '{}',
    '[]',
    '[5]',
    '[null]',
    '[{}]',
    '[[]]',
    '{"0":{}}',
    '[{"Config":5}]',
    '[{"Config":"x"}]',
    '[{"Config":"../../etc/passwd"}]',
    '[{"Config":"a\\u0000b"}]',
    '\ufeff[]',
  ])('%j as manifest.json is refused', async (text) => {
    await refused({ ...(LAYOUTS['docker'] ?? {}), 'manifest.json': text }, /app\.tar/);
  });

  const entry =
    (JSON.parse((LAYOUTS['docker'] ?? {})['manifest.json'] as string) as { [key: string]: Json }[])[0] ?? {};
  it.each([
    { Layers: null },
    { Layers: 'x' },
    { Layers: [] },
    { Layers: [5, 6] },
    { Layers: ['../x', '../y'] },
    { Layers: [{}, {}] },
    { RepoTags: 'x' },
    { RepoTags: [5] },
    { RepoTags: ['UPPER:v1'] },
    { RepoTags: ['../x:v'] },
    { RepoTags: ['a:b:c'] },
    { RepoTags: [''] },
  ] as { [key: string]: Json }[])('a manifest with %j is refused', async (more) => {
    await refused(
      { ...(LAYOUTS['docker'] ?? {}), 'manifest.json': JSON.stringify([{ ...entry, ...more }]) },
      /app\.tar/,
    );
  });

  it.each([
    'not json',
    '{}',
    '{"architecture":"amd64","os":"linux"}',
    '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["x"]}}',
  ])('%j as a configuration is refused', async (config) => {
    const layout: Layout = { ...(LAYOUTS['docker'] ?? {}), 'c.json': config };
    layout['manifest.json'] = JSON.stringify([{ ...entry, Config: 'c.json' }]);
    await refused(layout, /c\.json/, 'bad-image');
  });

  it('bytes that are no UTF-8 are refused: they would become others', async () => {
    const layout: Layout = { ...(LAYOUTS['docker'] ?? {}), 'c.json': Buffer.from([0x7b, 0xff, 0x7d]) };
    layout['manifest.json'] = JSON.stringify([{ ...entry, Config: 'c.json' }]);
    await refused(layout, /UTF-8/);
  });

  /** mulberry32: the same cases on every day. */
  const random = (seed: number) => (): number => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  it.each(Object.entries(LAYOUTS))(
    'of the form %s, mutated at random, are read or refused with a reason',
    async (_, layout) => {
      const next = random(20_140_901);
      const pick = (n: number): number => Math.floor(next() * n);
      const texts = Object.keys(layout).filter((name) => typeof layout[name] === 'string');
      const VALUES = [
        'null',
        '-1',
        '1e999',
        '"__proto__"',
        '[]',
        '{}',
        '"\\u0000"',
        '9007199254740993',
        'true',
        '"../x"',
        '[[[[]]]]',
      ];
      const outcomes = { read: 0, refused: 0 };
      for (let round = 0; round < 150; round++) {
        const mutated = { ...layout };
        const name = texts[pick(texts.length)] ?? '';
        const text = mutated[name] as string;
        const at = pick(text.length);
        mutated[name] =
          pick(3) === 0
            ? text.slice(0, at) + String.fromCharCode(pick(128)) + text.slice(at + 1)
            : pick(2) === 0
              ? text.slice(0, at) + text.slice(at + pick(40))
              : text.replace(/("[^"]*"|\d+|\[[^[\]]*\]|\{[^{}]*\})/g, (value) =>
                  pick(6) === 0 ? (VALUES[pick(VALUES.length)] ?? '') : value,
                );
        try {
          await read(mutated);
          outcomes.read += 1;
        } catch (error) {
          outcomes.refused += 1;
          const { reason, message } = error as { reason?: string; message: string };
          expect(
            ['bad-archive', 'bad-image', 'no-such-image'],
            `round ${round.toString()}: ${message}`,
          ).toContain(reason);
          expect(message).toContain('app.tar');
        }
      }
      expect(outcomes.refused).toBeGreaterThan(50);
      expect(outcomes.read).toBeGreaterThan(0);
    },
  );

  it('archives, mutated at random, end the same way', async () => {
    const next = random(7);
    const tar = tarOfLayout(LAYOUTS['oci'] ?? {});
    let refusals = 0;
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(tar);
      for (let n = 0; n < 4; n++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
      try {
        await readLayout(sys, archive(bytes), { scratch: scratch() });
      } catch (error) {
        refusals += 1;
        const { reason, message } = error as { reason?: string; message: string };
        expect(['bad-archive', 'bad-image', 'no-such-image'], message).toContain(reason);
      }
    }
    expect(refusals).toBeGreaterThan(50);
  });
});
