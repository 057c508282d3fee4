/** The names of containers: which may be given, whose they are, and that none stands in for an id (CVE-2014-5278). */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { containerFolder, resolveContainer, saveContainer } from '../../src/daemon/containers.ts';
import { EMPTY_HOST_CONFIG, type Container } from '../../src/daemon/model.ts';
import { drawName, drawNames } from '../../src/daemon/name-words.ts';
import { checkName, releaseName, reserveName, type Reserved } from '../../src/daemon/names.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { prepareRoot } from '../../src/daemon/store.ts';
import type { Reason } from '../../src/engine/failure.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import type { SqlRow } from '../../src/kernel/sqlite.ts';

const sys = new Kernel();
const because = (reason: Reason): Error => expect.objectContaining({ reason }) as Error;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
function freshPlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'names-'));
  folders.push(folder);
  const place = placeOf(join(folder, 'root'));
  prepareRoot(sys, place);
  return place;
}

const idOf = (beginning: string): string => beginning.padEnd(64, '0');
const A = idOf('a1');
const B = idOf('b2');
const C = idOf('c3');
const reserve = (place: Place, name: string, id: string): Reserved =>
  reserveName(sys, place, name, id, 'own-run');
const register = (place: Place, id: string, name: string): void => {
  mkdirSync(containerFolder(place, id));
  saveContainer(sys, place, { ID: id, Name: `/${name}` } as Container, EMPTY_HOST_CONFIG);
};
const row = (place: Place, sql: string, ...values: string[]): SqlRow | undefined =>
  sys.transaction(place.linkgraph, (graph) => graph.get(sql, ...values));
const holderOf = (place: Place, name: string): unknown =>
  row(place, 'SELECT entity_id FROM edge WHERE parent_id = ? AND name = ?', '0', name)?.['entity_id'];

describe('a name', () => {
  test.each([
    ...['ab', 'box', '/box', '1a', 'a.b', 'a-b', 'a_b', 'A1.', 'a--', '00', 'x'.repeat(128)],
    ...['abcdef12345', 'abcdef1234567', 'a'.repeat(63), 'a'.repeat(65), 'ABCDEF123456', 'g23456789012'],
  ])('may be %s', (name) => {
    expect(() => {
      checkName(name);
    }).not.toThrow();
  });

  test.each([
    ...['', '/', 'a', '/a', '-ab', '.ab', '_ab', '..', '../x', 'a/b', '//ab', 'ab/', 'a b', 'a\nb', 'ab\n'],
    ...['a:b', 'a\0b', 'ä1', 'a*', '--rm', 'x'.repeat(129)],
  ])('may not be %j', (name) => {
    expect(() => {
      checkName(name);
    }).toThrow(because('bad-config'));
  });

  test.each(['abcdef123456', '123456789012', '/abcdef123456', 'a'.repeat(64), `/${'0'.repeat(64)}`])(
    'may not look like an id: %s',
    (name) => {
      expect(() => {
        checkName(name);
      }).toThrow(because('name-taken'));
    },
  );

  test('that is drawn may be given, and the last one is the id’s beginning', () => {
    for (let i = 0; i < 200; i += 1) {
      const name = drawName();
      checkName(name);
      expect(name).toMatch(/^[a-z]+_[a-z]+$/);
      expect(name).not.toBe('boring_wozniak');
    }
    const names = drawNames(A);
    expect(names).toHaveLength(7);
    expect(names.slice(1, 6)).toEqual(
      names.slice(1, 6).map(() => expect.stringMatching(/^[a-z]+_[a-z]+\d$/) as string),
    );
    expect(names.at(-1)).toBe(A.slice(0, 12));
  });
});

describe('a name that is reserved', () => {
  test('is in the graph as Docker has it: an edge from the root to an entity', () => {
    const place = freshPlace();
    expect(reserve(place, 'box', A)).toEqual({ as: 'reserved' });
    expect(holderOf(place, 'box')).toBe(A);
    expect(row(place, 'SELECT id FROM entity WHERE id = ?', A)).toBeDefined();
    expect(row(place, 'SELECT name FROM edge WHERE parent_id IS NULL')).toMatchObject({ name: '/' });
  });

  test('is the container’s own, as often as it asks', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    expect(reserve(place, 'box', A)).toEqual({ as: 'reserved' });
  });

  test('is taken for others while the container is there', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    register(place, A, 'box');
    expect(reserve(place, 'box', B)).toEqual({ as: 'taken', by: A });
    expect(holderOf(place, 'box')).toBe(A);
  });

  test('is taken though the container’s file is damaged', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    register(place, A, 'box');
    writeFileSync(join(containerFolder(place, A), 'config.json'), '{');
    expect(reserve(place, 'box', B)).toEqual({ as: 'taken', by: A });
  });

  test('is free again when it was released', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    register(place, A, 'box');
    releaseName(sys, place, '/box', A);
    rmSync(containerFolder(place, A), { recursive: true });
    expect(holderOf(place, 'box')).toBeUndefined();
    expect(row(place, 'SELECT id FROM entity WHERE id = ?', A)).toBeUndefined();
    expect(reserve(place, 'box', B)).toEqual({ as: 'reserved' });
    expect(holderOf(place, 'box')).toBe(B);
  });

  test('is not released by whom it does not belong to', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    releaseName(sys, place, 'box', B);
    releaseName(sys, place, 'bo%', A);
    expect(holderOf(place, 'box')).toBe(A);
  });

  test('may be released twice, and where there are no names at all', () => {
    const place = freshPlace();
    releaseName(sys, place, 'box', A);
    expect(existsSync(place.linkgraph)).toBe(false);
    reserve(place, 'box', A);
    releaseName(sys, place, 'box', A);
    releaseName(sys, place, 'box', A);
    expect(holderOf(place, 'box')).toBeUndefined();
  });

  test('is taken over from a container that is not there, and really given (1.2.0 forgot that)', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    expect(reserve(place, 'box', B)).toEqual({ as: 'reserved' });
    expect(holderOf(place, 'box')).toBe(B);
    expect(row(place, 'SELECT id FROM entity WHERE id = ?', A)).toBeUndefined();
  });

  /** A run in whose journal the id stands, as it does from the plan of create.reserve-name on. */
  function creating(place: Place, run: string, id: string): string {
    mkdirSync(join(place.journal, run), { recursive: true });
    writeFileSync(
      join(place.journal, run, 'journal.jsonl'),
      `${JSON.stringify({ k: 'plan', drawn: { id } })}\n`,
    );
    mkdirSync(join(place.journal, 'open'), { recursive: true });
    const lock = join(place.journal, 'open', run);
    writeFileSync(lock, '');
    return lock;
  }

  test('is taken over from one whose run was killed', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    creating(place, 'dead-run', A);
    expect(reserve(place, 'box', B)).toEqual({ as: 'reserved' });
  });
});

describe('a name and the ids', () => {
  test('the beginning of a container’s id is nobody’s name', () => {
    const place = freshPlace();
    register(place, A, 'first');
    for (const name of ['a1', 'a10', A.slice(0, 11), A.slice(0, 13)])
      expect(() => reserve(place, name, B)).toThrow(because('name-taken'));
    expect(reserve(place, 'a2', B)).toEqual({ as: 'reserved' });
  });

  test('an id that begins with another’s name cannot be had', () => {
    const place = freshPlace();
    reserve(place, 'c3', A);
    register(place, A, 'c3');
    expect(reserve(place, 'other', C)).toEqual({ as: 'shadowed' });
    expect(holderOf(place, 'other')).toBeUndefined();
    expect(reserve(place, 'other', B)).toEqual({ as: 'reserved' });
  });

  test('whoever says a whole id means that container, whatever others are called', () => {
    const place = freshPlace();
    register(place, A, 'first');
    // Written past the checks, as 1.2.0 would have let it.
    register(place, B, A);
    expect(resolveContainer(sys, place, A)).toBe(A);
  });

  test('where a name is another id’s beginning, neither wins', () => {
    const place = freshPlace();
    register(place, A, 'first');
    register(place, B, 'a1');
    expect(() => resolveContainer(sys, place, 'a1')).toThrow(because('ambiguous-reference'));
  });
});

describe('the graph', () => {
  test('that is damaged is made anew from the containers, and kept beside', () => {
    const place = freshPlace();
    reserve(place, 'box', A);
    register(place, A, 'box');
    register(place, B, 'other');
    writeFileSync(place.linkgraph, 'not a database'.repeat(1000));
    expect(reserve(place, 'box', C)).toEqual({ as: 'taken', by: A });
    expect(reserve(place, 'other', C)).toEqual({ as: 'taken', by: B });
    expect(readdirSync(place.root)).toContain('linkgraph.db.damaged');
  });

  test('takes a name for a value, never for SQL', () => {
    const place = freshPlace();
    reserve(place, "x'; DROP TABLE edge; --", A);
    expect(holderOf(place, "x'; DROP TABLE edge; --")).toBe(A);
  });
});
