/** How far it is: lines that take themselves away, fit on the screen, and are not drawn where nobody would see them. */
import { describe, expect, test } from 'vitest';
import { barLines, progressOn } from '../../src/cli/render/progress.ts';
import { plainStyle } from '../../src/cli/render/style.ts';
import { widthOf } from '../../src/cli/render/text.ts';
import type { Bar } from '../../src/engine/frontend.ts';

const bar = (label: string, done: number, total = 100): Bar => ({ label, done, total });

describe('a bar', () => {
  const drawn = (one: Bar, width = 80): string => barLines([one], plainStyle(width))[0] ?? '';

  test('is as long as what is done', () => {
    expect(drawn(bar('layer 1', 0))).not.toContain('━');
    expect(drawn(bar('layer 1', 50))).toMatch(/ (━+)(─+) .* 50 B of 100 B$/);
    expect(drawn(bar('layer 1', 100))).not.toContain('─');
    // Whoever said the total may have been wrong.
    expect(drawn(bar('layer 1', 300))).toContain('100 B of 100 B');
  });

  test('says only what is known', () => {
    expect(drawn(bar('spooled', 2_000_000, 0))).toMatch(/^ {2}spooled +2\.0 MB$/);
    expect(drawn({ ...bar('layer 2', 0), state: 'is there already' })).toMatch(/layer 2 +is there already$/);
  });

  test.each([10, 35, 60, 80, 110])('fits in %i columns', (width) => {
    for (const one of [bar('a'.repeat(200), 5), { ...bar('x', 1), state: 'y'.repeat(300) }])
      expect(widthOf(drawn(one, width))).toBeLessThanOrEqual(width);
  });

  test('cannot repaint the screen by its label', () => {
    expect(drawn(bar('\u001b[2J', 5))).not.toContain('\u001b');
  });
});

test('of many layers those on their way are shown, the rest counted', () => {
  const done = Array.from({ length: 30 }, (_, i) => ({ ...bar(`done ${i}`, 1), state: 'is there' }));
  const lines = barLines([...done, bar('moving', 1)], plainStyle(80), 4);
  expect(lines).toHaveLength(4);
  expect(lines[0]).toContain('moving');
  expect(lines[3]).toContain('+28 more');
});

describe('on a terminal', () => {
  const screen = { isTTY: true, columns: 80, rows: 24 };
  function area(
    of: Parameters<typeof progressOn>[0],
    env = {},
  ): { text: () => string; at: (ms: number) => void } {
    let written = '';
    let time = 0;
    const made = progressOn(
      of,
      (text) => {
        written += text;
      },
      env,
      () => time,
    );
    return {
      text: () => written,
      at: (ms) => {
        time = ms;
        if (ms < 0) made?.clear();
        else made?.show([bar('one', ms), bar('two', ms)]);
      },
    };
  }

  test('as many lines are taken away as were drawn', () => {
    const { text, at } = area(screen);
    at(0);
    at(200);
    at(-1);
    at(-1);
    expect(text().split('\n')).toHaveLength(5);
    expect(text().split('\u001b[A').length - 1).toBe(4);
    expect(text().endsWith('\r\u001b[A\u001b[2K\u001b[A\u001b[2K')).toBe(true);
  });

  test('not more often than an eye sees', () => {
    const { text, at } = area(screen);
    for (let ms = 0; ms < 1000; ms += 10) at(ms);
    expect(text().split('one').length - 1).toBe(10);
  });

  test('a narrow one breaks no line', () => {
    const { text, at } = area({ ...screen, columns: 30 });
    at(0);
    for (const line of text().split('\n')) expect(widthOf(line)).toBeLessThan(30);
  });

  test('one that does not know its size gets the usual one', () => {
    const { text, at } = area({ ...screen, columns: 0 });
    at(50);
    expect(text()).toMatch(/one .*━.* 50 B of 100 B/);
  });

  test('colours are left away on request, the lines are not', () => {
    const [plain, coloured] = [{ NO_COLOR: '1' }, { TERM: 'xterm-256color' }].map((env) => {
      const { text, at } = area(screen, env);
      at(0);
      at(100);
      return text();
    });
    expect(plain).toMatch(/one/);
    expect(plain).not.toContain('\u001b[36m');
    expect(coloured).toContain('\u001b[36m');
  });

  test.each([
    [{ ...screen, isTTY: false }, {}],
    [screen, { TERM: 'dumb' }],
  ])('nothing is drawn on %j with %j', (of, env) => {
    expect(progressOn(of, () => undefined, env)).toBeUndefined();
  });
});
