/** What a recording has of values, looks and words is shown as the things themselves are. */
import { describe, expect, test } from 'vitest';
import { flatten } from '../../src/observe/flatten.ts';
import { portable } from '../../src/observe/portable.ts';
import { applied, deltaOf } from '../../src/replay/delta.ts';
import { harmlessWords } from '../../src/replay/words.ts';

class Living {
  readonly secret = 'x';
}
const cycle: Record<string, unknown> = { name: 'a' };
cycle['self'] = cycle;
const deep = (levels: number): unknown => (levels === 0 ? ['end'] : { inner: deep(levels - 1) });

describe('a value', () => {
  test.each<[string, unknown]>([
    ['plain', { a: 1, b: 'two', c: [true, null, 3.5], d: { e: '' } }],
    ['empty', { a: [], b: {}, c: '' }],
    ['what JSON lacks', { a: undefined, b: Number.NaN, c: 10n, d: Infinity, e: () => 1, f: -0 }],
    ['bytes and objects', { a: new Uint8Array(5), b: new Living(), c: new Map() }],
    ['a cycle', cycle],
    ['depth', deep(20)],
    ['long texts', { a: 'x'.repeat(1000) }],
    ['a variable', { environment: ['A=secret', 'B'], Config: { Env: ['C=secret=2'] }, env: { D: 'kept' } }],
    ['names that objects have', { constructor: 'a', toString: 'b' }],
  ])('%s: JSON keeps how it is shown', (_, value) => {
    for (const showEnv of [false, true]) {
      const copy: unknown = JSON.parse(JSON.stringify(portable({ value, ...Object(value) }, showEnv)));
      expect(flatten(copy, { showEnv: true })).toEqual(flatten({ value, ...Object(value) }, { showEnv }));
    }
  });

  test('variables have no values, unless asked for', () => {
    const value = { environment: ['A=secret'], container: { Config: { Env: ['B=secret'] } } };
    expect(JSON.stringify(portable(value, false))).not.toContain('secret');
    expect(JSON.stringify(portable(value, true))).toContain('A=secret');
  });

  test('a list without end ends', () => {
    const copy = portable({ list: Array.from({ length: 10_000 }, (_, i) => i) }, false) as {
      list: unknown[];
    };
    expect(copy.list.length).toBe(501);
    expect(copy.list.at(-1)).toBe('+9500 more');
  });
});

describe('two looks', () => {
  const looks: readonly Record<string, string>[] = [
    {},
    { a: '1' },
    { a: '1', b: '2' },
    { b: '2', a: '1' },
    { a: '2', c: '3' },
    { c: '3', constructor: 'x' },
    { a: '1', new: '0', b: '2' },
  ];
  test.each(looks.flatMap((old) => looks.map((fresh) => [old, fresh] as const)))('%j → %j', (old, fresh) => {
    const delta = deltaOf(old, fresh);
    const before = new Map(Object.entries(old));
    const made = delta === undefined ? before : applied(before, delta);
    expect([...made]).toEqual(Object.entries(fresh));
  });

  test('nothing new takes no room', () => {
    expect(deltaOf({ a: '1' }, { a: '1' })).toBeUndefined();
    expect(deltaOf({ a: '1', b: '2' }, { a: '1', b: '3' })).toEqual({ set: { b: '3' }, gone: [] });
  });
});

test.each([
  [
    ['run', '-e', 'A=b', 'base'],
    ['run', '-e', 'A=…', 'base'],
  ],
  [
    ['run', '--env', 'A=b=c', 'base'],
    ['run', '--env', 'A=…', 'base'],
  ],
  [
    ['run', '--env=A=b', '-eC=d', '-ie', 'E=f', '-ieG=h'],
    ['run', '--env=A=…', '-eC=…', '-ie', 'E=…', '-ieG=…'],
  ],
  [
    ['run', '-e', 'A', '--fail', 'init.exec=error'],
    ['run', '-e', 'A', '--fail', 'init.exec=error'],
  ],
  [
    ['run', '-eA=line\nof more'],
    ['run', '-eA=…'],
  ],
])('the words %j as %j', (words, harmless) => {
  expect(harmlessWords(words, false)).toEqual(harmless);
  expect(harmlessWords(words, true)).toEqual(words);
});
