/** The root on disk: how images are found in it, what is refused as a root, and containers whose files are damaged. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  containerById,
  containerFolder,
  findContainer,
  listContainers,
  resolveContainer,
  saveContainer,
  uniquePrefix,
} from '../../src/daemon/containers.ts';
import { ancestryOf, parseImage, readImage, storeImage, tooDeep } from '../../src/daemon/images.ts';
import { EMPTY_HOST_CONFIG, type Container, type Image } from '../../src/daemon/model.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { parseReference } from '../../src/daemon/reference.ts';
import { isId, prepareRoot } from '../../src/daemon/store.ts';
import { lookupImage, namesOf, readTags, removeTags, setTag, tagImage } from '../../src/daemon/tags.ts';
import type { Reason } from '../../src/engine/failure.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const sys = new Kernel();
const because = (reason: Reason): Error => expect.objectContaining({ reason }) as Error;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'));
  folders.push(folder);
  return folder;
}
function freshPlace(): Place {
  const place = placeOf(join(freshFolder(), 'root'));
  prepareRoot(sys, place);
  return place;
}

const idOf = (beginning: string): string => beginning.padEnd(64, '0');
const image = (id: string, parent?: string): Image => ({
  id,
  ...(parent === undefined ? {} : { parent }),
  created: '',
  Size: 0,
});

describe('a reference', () => {
  const hub = 'docker.io';
  const digest = `sha256:${'0a'.repeat(32)}`;
  test.each([
    ['base', 'base', '', '', hub, 'library/base'],
    ['base:1.0', 'base', '1.0', '', hub, 'library/base'],
    ['docker.io/library/debian', 'debian', '', '', hub, 'library/debian'],
    ['docker.io/debian:stable', 'debian', 'stable', '', hub, 'library/debian'],
    ['index.docker.io/me/app', 'me/app', '', '', hub, 'me/app'],
    ['library/debian', 'debian', '', '', hub, 'library/debian'],
    ['a/b:c', 'a/b', 'c', '', hub, 'a/b'],
    ['library/a/b', 'library/a/b', '', '', hub, 'library/a/b'],
    ['registry.test:5000/base', 'registry.test:5000/base', '', '', 'registry.test:5000', 'base'],
    ['registry.test:5000/base:1.0', 'registry.test:5000/base', '1.0', '', 'registry.test:5000', 'base'],
    ['localhost/x/y', 'localhost/x/y', '', '', 'localhost', 'x/y'],
    ['localhost:5000', 'localhost', '5000', '', hub, 'library/localhost'],
    ['[::1]:5000/x', '[::1]:5000/x', '', '', '[::1]:5000', 'x'],
    ['Reg/x', 'Reg/x', '', '', 'Reg', 'x'],
    [`debian@${digest}`, 'debian', '', digest, hub, 'library/debian'],
    [`reg.test/a:1@${digest}`, 'reg.test/a', '1', digest, 'reg.test', 'a'],
    ['g/a_b.c-d__e--f:_X.-', 'g/a_b.c-d__e--f', '_X.-', '', hub, 'g/a_b.c-d__e--f'],
    [`x:${'t'.repeat(128)}`, 'x', 't'.repeat(128), '', hub, 'library/x'],
    ['a'.repeat(63), 'a'.repeat(63), '', '', hub, `library/${'a'.repeat(63)}`],
    [`r.test/${'a'.repeat(248)}`, `r.test/${'a'.repeat(248)}`, '', '', 'r.test', 'a'.repeat(248)],
  ])('%j is of %j, tag %j, digest %j, at %j as %j', (text, repository, tag, digest_, host, path) => {
    expect(parseReference(text)).toEqual({ repository, tag, digest: digest_, host, path });
  });

  test.each([
    ['', /consists of/],
    ['base:', /a tag/],
    [`x:${'t'.repeat(129)}`, /a tag/],
    ['x:.a', /a tag/],
    ['x:a b', /a tag/],
    ['a:b:c', /consists of/],
    ['Base', /lower case/],
    ['reg.test/Base', /lower case/],
    ['..', /consists of/],
    ['../../etc', /not a host/],
    ['a/../b', /consists of/],
    ['a//b', /consists of/],
    ['/a', /consists of/],
    ['a/', /consists of/],
    ['a___b', /consists of/],
    ['-a', /consists of/],
    ['a\0', /consists of/],
    ['a\n', /consists of/],
    ['ä', /consists of/],
    ['reg_.test/a', /not a host/],
    ['reg.test:x/a', /not a host/],
    ['https://reg.test/a', /not a host/],
    ['a@sha256:12', /behind @/],
    [`a@sha256:${'A'.repeat(64)}`, /behind @/],
    [`a@md5:${'a'.repeat(64)}`, /behind @/],
    [`a@${digest}@${digest}`, /behind @/],
    ['a'.repeat(64), /are an id/],
    [`r.test/${'a'.repeat(249)}`, /at most 255/],
    [`${'a/'.repeat(4000)}a`, /at most 255/],
  ])('%j is none, and it is said why', (text, why) => {
    expect(() => parseReference(text)).toThrow(because('bad-usage'));
    expect(() => parseReference(text)).toThrow(why);
  });
});

describe('the TagStore', () => {
  const one = idOf('aaaa1');
  const two = idOf('aaaa2');
  const three = idOf('bbbb3');
  const decimal = idOf('1234');
  const place = freshPlace();
  for (const id of [one, two, three, decimal]) storeImage(sys, place, image(id));
  setTag(sys, place, 'base', 'latest', one);
  setTag(sys, place, 'base', '1.0', two);
  setTag(sys, place, 'registry.test:5000/base', 'latest', two);
  setTag(sys, place, 'registry.test:5000/base', '1.0', three);
  setTag(sys, place, 'twins', 'a', one);
  setTag(sys, place, 'twins', 'b', two);
  setTag(sys, place, 'same', 'a', three);
  setTag(sys, place, 'same', 'b', three);
  setTag(sys, place, 'bbbb3', 'latest', decimal);
  setTag(sys, place, 'constructor', 'latest', three);
  setTag(sys, place, 'base', `sha256:${three}`, one);
  setTag(sys, place, 'broken', 'latest', '../../../etc');
  setTag(sys, place, 'gone', 'latest', idOf('cccc'));

  test.each([
    ['a name, with latest', 'base', one],
    ['a name and a tag', 'base:1.0', two],
    ['a name with its host', 'docker.io/library/base:1.0', two],
    ['a name and a digest', `base@sha256:${three}`, one],
    ['a digest, whatever the tag', `base:1.0@sha256:${three}`, one],
    ['a whole id with its algorithm', `sha256:${two}`, two],
    ['the beginning of one with its algorithm', 'sha256:bbbb', three],
    ['a whole id before a name', one, one],
    ['a registry with a port', 'registry.test:5000/base', two],
    ['a registry with a port, and a tag', 'registry.test:5000/base:1.0', three],
    ['the beginning of an id in place of a tag', 'base:aaaa1', one],
    ['the beginning of an id that several tags of the repository mean', 'same:b', three],
    ['that beginning, where the tags mean one image', 'same:bb', three],
    ['the beginning of an id that no other has', 'aaaa2', two],
    ['a whole id', one, one],
    ['digits alone', '1234', decimal],
    ['a repository before an id that begins so', 'bbbb3', decimal],
    ['a repository called like what every object has', 'constructor', three],
  ])('finds %s', (_what, reference, id) => {
    expect(lookupImage(sys, place, reference).id).toBe(id);
  });

  test.each([
    ['a name that nobody has', 'nobody'],
    ['a tag that the repository does not have', 'base:2.0'],
    ['a repository without latest', 'twins'],
    ['a beginning that two ids of the repository have', 'twins:aaaa'],
    ['the id of an image that is in another repository', 'base:bbbb'],
    ['a beginning that two ids have', 'aaaa'],
    ['a digest that the repository does not have', `base@sha256:${two}`],
    ['a name with an empty tag', 'base:'],
    ['a whole id that there is not', idOf('dddd')],
    ['a beginning in capitals', 'AAAA2'],
    ['an id with a letter too many', `${one}0`],
    ['nothing', ''],
    ['a colon', ':'],
    ['a way up', '..'],
    ['a way up behind an id', `${one}/../${two}`],
    ['a path', 'a/b'],
    ['what every object has', '__proto__'],
    ['what every object has, for a tag', 'base:constructor'],
    ['a NUL', 'base\0'],
    ['an image that is tagged and not there', 'gone'],
  ])('does not find %s', (_what, reference) => {
    expect(() => lookupImage(sys, place, reference)).toThrow(because('no-such-image'));
  });

  test('says which name and tag there is not', () => {
    expect(() => lookupImage(sys, place, 'nobody')).toThrow('No such image: nobody (tag: latest)');
    expect(() => lookupImage(sys, place, 'base:2.0')).toThrow('No such image: base (tag: 2.0)');
  });

  test('gives a name under the lock, to an image that is there, and says who had it', () => {
    const other = freshPlace();
    for (const id of [one, two]) storeImage(sys, other, image(id));
    const name = { repository: 'it', key: 'latest' };
    expect(tagImage(sys, other, name, one)).toBeUndefined();
    expect(tagImage(sys, other, name, one)).toBeUndefined();
    expect(tagImage(sys, other, name, two)).toBe(one);
    expect(() => tagImage(sys, other, name, three)).toThrow(because('no-such-image'));
    expect(namesOf(readTags(sys, other), two)).toEqual([name]);
    removeTags(sys, other, [name]);
    expect(readTags(sys, other)).toEqual(new Map());
  });

  test('does not follow a tag that is no id', () => {
    expect(() => lookupImage(sys, place, 'broken')).toThrow(because('bad-image'));
  });

  test.each(['{', '[]', 'null', '{"Repositories":{"a":null}}', ''])(
    'refuses a file that holds %j',
    (text) => {
      const other = freshPlace();
      writeFileSync(other.repositories, text);
      expect(() => readTags(sys, other)).toThrow(because('bad-image'));
    },
  );

  test('keeps the other tags when one is set', () => {
    const other = freshPlace();
    setTag(sys, other, 'a', 'x', one);
    setTag(sys, other, 'b', 'x', two);
    setTag(sys, other, 'a', 'y', two);
    setTag(sys, other, 'a', 'x', three);
    expect(readTags(sys, other)).toEqual(
      new Map([
        [
          'a',
          new Map([
            ['x', three],
            ['y', two],
          ]),
        ],
        ['b', new Map([['x', two]])],
      ]),
    );
    expect(statSync(other.repositories).mode & 0o777).toBe(0o600);
  });
});

describe('an id', () => {
  const bad = [
    ...['', '.', '..', '../..', 'a/b', '/', 'aaaa'],
    ...['A'.repeat(64), 'g'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `${'a'.repeat(64)}\n`],
    ...[`${'a'.repeat(63)}/`, `../${'a'.repeat(61)}`, `${'a'.repeat(63)}\0`],
  ];

  test.each(bad)('is not %j, for an image or for a container', (id) => {
    expect(isId(id)).toBe(false);
    const place = freshPlace();
    expect(() => readImage(sys, place, id)).toThrow(because('bad-image'));
    expect(() => containerById(sys, place, id)).toThrow(because('no-such-container'));
    expect(() => resolveContainer(sys, place, id)).toThrow(because('no-such-container'));
    const child = { ...image('b'.repeat(64)), parent: id };
    const parse = (): Image => parseImage(child.id, JSON.stringify(child));
    if (id === '') expect(parse()).not.toHaveProperty('parent');
    else expect(parse).toThrow(because('bad-image'));
  });

  test.each([undefined, null, 7, ['a'.repeat(64)], { toString: () => 'a'.repeat(64) }])(
    'is not %j',
    (value) => {
      expect(isId(value)).toBe(false);
    },
  );

  test('that is joined unchecked leaves the folder (positive control)', () => {
    const place = freshPlace();
    writeFileSync(join(place.root, 'json'), 'secret');
    expect(existsSync(join(place.graph, '..', 'json'))).toBe(true);
  });
});

describe('an image', () => {
  const id = 'a'.repeat(64);
  const parsed = (more: object): Image => parseImage(id, JSON.stringify({ id, ...more }));

  test('says about the container what is on the list, and nothing of the host', () => {
    const config = {
      Cmd: ['sh'],
      Env: ['A=1'],
      Volumes: { '/v': { x: 1 } },
      User: 'u',
      WorkingDir: '/w',
      StopSignal: 'INT',
    };
    const host = {
      Hostname: 'h',
      Privileged: true,
      Binds: ['/:/host'],
      CapAdd: ['all'],
      NetworkMode: 'host',
    };
    expect(parsed({ config: { ...config, ...host, HostConfig: host } }).config).toEqual({
      ...config,
      Volumes: { '/v': {} },
    });
  });

  test.each<[string, object]>([
    ['another id', { id: 'b'.repeat(64) }],
    ['a config that is a list', { config: [] }],
    ['a config that is a text', { config: 'x' }],
    ['a command that is a text', { config: { Cmd: 'sh' } }],
    ['a command with a number in it', { config: { Cmd: [7] } }],
    ['a command with a NUL in it', { config: { Cmd: ['sh\0x'] } }],
    ['a variable without =', { config: { Env: ['A'] } }],
    ['a variable without a name', { config: { Env: ['=1'] } }],
    ['a variable with a NUL in it', { config: { Env: ['A=\0'] } }],
    ['half a byte of memory', { config: { Memory: 0.5 } }],
    ['a folder with a NUL in it', { config: { WorkingDir: '/a\0b' } }],
    ['volumes that are a text', { config: { Volumes: '/v' } }],
    ['a user that is a number', { config: { User: 0 } }],
  ])('with %s is refused', (_what, more) => {
    expect(() => parsed(more)).toThrow(because('bad-image'));
  });

  test.each(['', '{', 'null', '[]', '7'])('whose file holds %j is refused', (text) => {
    expect(() => parseImage(id, text)).toThrow(because('bad-image'));
  });

  test('whose file is a link, a fifo or too large is not read', () => {
    const place = freshPlace();
    const folder = join(place.graph, id);
    mkdirSync(folder);
    writeFileSync(join(place.root, 'elsewhere'), JSON.stringify(image(id)));
    symlinkSync(join(place.root, 'elsewhere'), join(folder, 'json'));
    expect(() => readImage(sys, place, id)).toThrow(/ELOOP/);
    rmSync(join(folder, 'json'));
    writeFileSync(join(folder, 'json'), ' '.repeat(4 * 1024 * 1024 + 1));
    expect(() => readImage(sys, place, id)).toThrow(because('bad-image'));
  });

  test('that is its own ancestor is refused', () => {
    const place = freshPlace();
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)] as const;
    storeImage(sys, place, image(a, b));
    storeImage(sys, place, image(b, a));
    expect(() => ancestryOf(sys, place, readImage(sys, place, a))).toThrow(because('bad-image'));
  });

  test('without its parent is refused', () => {
    const place = freshPlace();
    storeImage(sys, place, image(id, 'b'.repeat(64)));
    expect(() => ancestryOf(sys, place, readImage(sys, place, id))).toThrow(because('no-such-image'));
  });

  test.each([
    [1, false],
    [124, false],
    [125, true],
  ])('of %i layers is too deep: %s', (layers, expected) => {
    expect(tooDeep(layers)).toBe(expected);
  });
});

describe('a root', () => {
  const format = (place: Place): string => join(place.root, 'format');

  test('is root’s alone, with all its folders, whatever the umask', () => {
    const before = process.umask(0);
    try {
      const place = freshPlace();
      const modes = (folder: string): [string, string][] =>
        readdirSync(folder).flatMap((name) => {
          const path = join(folder, name);
          const found = lstatSync(path);
          const own: [string, string] = [path, (found.mode & 0o777).toString(8)];
          return found.isDirectory() ? [own, ...modes(path)] : [own];
        });
      expect((statSync(place.root).mode & 0o777).toString(8)).toBe('700');
      const all = modes(place.root);
      expect(all.length).toBeGreaterThan(8);
      for (const [path, mode] of all)
        expect([path, mode]).toEqual([path, path === format(place) ? '600' : '700']);
    } finally {
      process.umask(before);
    }
  });

  test('is closed where its folder was there and open', () => {
    const place = placeOf(freshFolder());
    chmodSync(place.root, 0o755);
    prepareRoot(sys, place);
    expect(statSync(place.root).mode & 0o777).toBe(0o700);
  });

  test('gets its parents, which others may pass through', () => {
    const folder = freshFolder();
    prepareRoot(sys, placeOf(join(folder, 'a', 'b', 'root')));
    expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o755);
  });

  test('that is there stays as it is', () => {
    const place = freshPlace();
    writeFileSync(join(place.root, 'mine'), 'x');
    prepareRoot(sys, place);
    expect(readdirSync(place.root)).toContain('mine');
  });

  test('that was left half made is finished', () => {
    const place = freshPlace();
    rmSync(format(place));
    rmSync(place.graph, { recursive: true });
    prepareRoot(sys, place);
    expect(existsSync(format(place)) && existsSync(place.graph)).toBe(true);
  });

  test.each<[string, string, Reason]>([
    ['newer', '2\n', 'newer-format'],
    ['much newer', '999', 'newer-format'],
    ['no number', 'one', 'bad-config'],
    ['older than the first', '0', 'bad-config'],
    ['half a number', '1.5', 'bad-config'],
    ['empty', '', 'bad-config'],
  ])('whose format is %s is refused', (_what, text, reason) => {
    const place = freshPlace();
    writeFileSync(format(place), text);
    expect(() => {
      prepareRoot(sys, place);
    }).toThrow(because(reason));
  });

  test.each(['.bashrc', 'home', 'graph2', 'lock.old'])(
    'with somebody’s %s in it is refused and left alone',
    (name) => {
      const place = placeOf(freshFolder());
      chmodSync(place.root, 0o755);
      mkdirSync(join(place.root, name));
      expect(() => {
        prepareRoot(sys, place);
      }).toThrow(because('bad-config'));
      expect(readdirSync(place.root)).toEqual([name]);
      expect(statSync(place.root).mode & 0o777).toBe(0o755);
    },
  );
});

describe('containers on disk', () => {
  const make = (place: Place, id: string, name: string): void => {
    mkdirSync(containerFolder(place, id));
    saveContainer(sys, place, { ID: id, Name: `/${name}` } as Container, EMPTY_HOST_CONFIG);
  };
  const [a, b, c] = [idOf('abc1'), idOf('abc2'), idOf('def')] as const;
  function three(): Place {
    const place = freshPlace();
    make(place, a, 'first');
    make(place, b, 'second');
    make(place, c, 'abc');
    return place;
  }

  test.each<[string, string]>([
    [a, a],
    ['abc1', a],
    ['first', a],
    ['/second', b],
    ['d', c],
  ])('are found by %s', (wanted, id) => {
    expect(resolveContainer(sys, three(), wanted)).toBe(id);
  });

  test.each<[string, Reason]>([
    ['abc', 'ambiguous-reference'],
    ['ab', 'ambiguous-reference'],
    ['', 'no-such-container'],
    ['nobody', 'no-such-container'],
    ['..', 'no-such-container'],
    [`${a}0`, 'no-such-container'],
    [`${a}/../${b}`, 'no-such-container'],
  ])('are not found by %j: %s', (wanted, reason) => {
    expect(() => resolveContainer(sys, three(), wanted)).toThrow(because(reason));
  });

  test.each([
    ['torn', '{"ID":"abc'],
    ['empty', ''],
    ['no object', 'null'],
    ['another container’s', JSON.stringify({ ID: c, Name: '/x' })],
  ])('are listed without one whose config.json is %s, with a warning', (_what, text) => {
    const place = three();
    writeFileSync(join(containerFolder(place, a), 'config.json'), text);
    const warnings: string[] = [];
    const found = listContainers(sys, place, (warning) => warnings.push(warning));
    expect(found.map(({ container }) => container.ID)).toEqual([b, c]);
    expect(warnings).toEqual([expect.stringContaining(a.slice(0, 12))]);
    expect(() => findContainer(sys, place, a)).toThrow(because('bad-config'));
    expect(findContainer(sys, place, 'second').container.ID).toBe(b);
  });

  test('are listed without one that is being made, and without what is no container', () => {
    const place = three();
    mkdirSync(containerFolder(place, idOf('eee')));
    mkdirSync(join(place.containers, 'lost+found'));
    const warnings: string[] = [];
    expect(listContainers(sys, place, (warning) => warnings.push(warning))).toHaveLength(3);
    expect(warnings).toEqual([]);
    expect(() => findContainer(sys, place, idOf('eee'))).toThrow(because('no-such-container'));
  });

  test('are shown by as many digits as tell them apart', () => {
    const [x, y] = [idOf('0123456789abcd1'), idOf('0123456789abcd2')] as const;
    expect(uniquePrefix([x, y, a], x)).toBe('0123456789abcd1');
    expect(uniquePrefix([x, a], x)).toBe('0123456789ab');
  });
});
