/** What a recording may look like: whole, cut, edited, or made by somebody who means harm. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TsDockError } from '../../src/engine/failure.ts';
import { MOST_BYTES, MOST_LINE } from '../../src/replay/format.ts';
import { readRecording } from '../../src/replay/read.ts';
import { linesIn, read, recorded, replayed, sealed } from './made-up.ts';

let text = '';
let lines: string[] = [];
beforeAll(async () => {
  ({ text } = await recorded());
  lines = text.split(/(?<=\n)/);
});

const refusal = (act: () => unknown): TsDockError => {
  try {
    act();
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('a recording', () => {
  test('is read whole, and every line says what it is', () => {
    const { header, entries, cutAfter } = read(text);
    expect(cutAfter).toBeUndefined();
    expect(header.words).toEqual(['run', 'base']);
    expect(entries.length).toBe(lines.length - 1);
    expect(entries.at(-1)).toMatchObject({ k: 'closed' });
  });

  test('cut at any line is shown up to there', async () => {
    expect(lines.length).toBeGreaterThan(20);
    for (let kept = 1; kept < lines.length; kept++) {
      const recording = read(lines.slice(0, kept).join(''));
      expect(recording.cutAfter).toBe(kept);
      expect(recording.entries.length).toBe(kept - 1);
      await replayed(recording, 'd\nf\nk\nl\n$\nd\np\nd\n^\n/ mount\n$\n');
    }
  });

  test('cut within any line is shown up to the line before', () => {
    let start = lines[0]!.length;
    for (const [index, line] of lines.entries()) {
      if (index === 0) continue;
      for (const part of [1, Math.floor(line.length / 2), line.length - 1]) {
        const recording = read(Buffer.from(text).subarray(0, Buffer.byteLength(text.slice(0, start)) + part));
        expect(recording.cutAfter).toBe(index);
      }
      start += line.length;
    }
  });

  test('cut within its first line says nothing of a run', () => {
    for (const part of [0, 1, lines[0]!.length - 1]) {
      const { reason, message } = refusal(() => read(text.slice(0, part)));
      expect({ reason, message }).toEqual({
        reason: 'bad-recording',
        message: '"made-up" is not a recording, or one that was cut within its first line',
      });
    }
  });

  test('with any line edited is refused at that line', () => {
    for (const [index, line] of lines.entries()) {
      // A digit or a letter of the content, near its end: behind it stands the hash.
      const at = line.slice(0, line.lastIndexOf(',"hash"')).search(/[a-z0-9][^a-z0-9]*$/i);
      const other = line[at] === '1' ? '2' : '1';
      const changed = [...lines];
      changed[index] = line.slice(0, at) + other + line.slice(at + 1);
      expect(refusal(() => read(changed.join(''))).message).toContain(`was edited: line ${index + 1} is not`);
    }
  });

  test.each([
    ['a line is gone', (all: string[]) => all.toSpliced(4, 1), 5],
    ['two lines changed places', (all: string[]) => all.toSpliced(4, 2, all[5]!, all[4]!), 5],
    ['a line is there twice', (all: string[]) => all.toSpliced(4, 0, all[4]!), 6],
    ['an empty line was added', (all: string[]) => all.toSpliced(4, 0, '\n'), 5],
    ['something stands behind the end', (all: string[]) => [...all, all[1]!], 'last'],
    ['the hash is gone', (all: string[]) => all.toSpliced(4, 1, '{"k":"undo-end"}\n'), 5],
  ])('is refused where %s', (_, edit, at) => {
    const changed = edit(lines);
    const number = at === 'last' ? changed.length : at;
    expect(refusal(() => read(changed.join(''))).message).toContain(
      `line ${number} is not as it was written`,
    );
  });

  test('of another format is refused, with who made it', () => {
    const [header, ...rest] = linesIn(text);
    const error = refusal(() => read(sealed([{ ...header, format: 7, version: '9.1.0' }, ...rest])));
    expect(error.message).toBe(
      '"made-up" was recorded in format 7 by ts-dock 9.1.0; this ts-dock reads format 1',
    );
    expect(error.remedy).toContain('newer');
  });

  test.each([
    ['text', 'hello\n'],
    ['other JSON lines', '{"k":"begin","run":"x"}\n'],
    ['a list', '[]\n'],
    ['null', 'null\n'],
    ['bytes', '\u0000\ufffd\n'],
  ])('is not %s', (_, content) => {
    expect(refusal(() => read(content))).toMatchObject({
      reason: 'bad-recording',
      message: '"made-up" is not a recording',
    });
  });
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-recording-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const made = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  test('that is not there, a folder, a device, and a FIFO that nobody writes to', () => {
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    expect(refusal(() => readRecording(join(folder, 'none'))).message).toContain('ENOENT');
    for (const path of [folder, '/dev/zero', join(folder, 'fifo')])
      expect(refusal(() => readRecording(path)).message).toMatch(/it is not a regular file|EISDIR/);
  });

  test('that is too big is not read', () => {
    const path = made('big', text);
    truncateSync(path, MOST_BYTES + 1);
    expect(refusal(() => readRecording(path)).message).toContain('is bigger than a recording can be');
  });

  test('with a line that is too long is refused', () => {
    const [header] = linesIn(text);
    const long = sealed([header, { k: 'warning', text: 'x'.repeat(MOST_LINE) }]);
    expect(refusal(() => read(long)).message).toContain(`line 2 is not as it was written, it is longer than`);
  });

  test('with brackets without end is refused', () => {
    const header = sealed(linesIn(text).slice(0, 1));
    const before = /"hash":"(\w+)"/.exec(header)?.[1] ?? '';
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const content = `{"k":"planned","step":"launch.clone","undo":[],"drawn":${deep}`;
    const hash = createHash('sha256').update(before).update(content).digest('hex').slice(0, 32);
    expect(refusal(() => read(`${header}${content},"hash":"${hash}"}\n`)).message).toContain(
      'line 2 is not as it was written, it is not what a recording has there',
    );
  });
});

const EVERYTHING = 'd\nf\nk\nl\ne\nn\nd\nn\n$\nd\nf\nk\n/ e\n/ a\ng 2:after\nd\np\np\n^\nw\n';
// eslint-disable-next-line no-control-regex -- they are what is looked for
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

/** Every text and key of a value, changed. */
function changed(value: unknown, change: (text: string) => string, keys: boolean): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((each) => changed(each, change, keys));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [keys ? change(key) : key, changed(each, change, keys)]),
  );
}

/** Every place in a line, with the value there replaced. */
function* replacements(value: unknown, by: unknown): Generator {
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  for (const [key, each] of entries) {
    if (key === 'k' || key === 'hash') continue;
    const put = (fresh: unknown): unknown =>
      Array.isArray(value) ? value.with(Number(key), fresh) : { ...value, [key]: fresh };
    yield put(by);
    for (const inner of replacements(each, by)) yield put(inner);
  }
}

describe('a recording by somebody who means harm', () => {
  const evil = '\u001b[2J\u202e\u0007\r\n\u009b31m';
  /** What ts-dock alone gives: names, kinds, versions. */
  const plain = new Set(['recording', 'begin', 'step-begin']);

  test('control characters in texts are made visible, as in a live run', async () => {
    const dirty = linesIn(text).map((line) => {
      if (plain.has(line.k))
        return line.k === 'recording' ? { ...line, words: [evil], initial: { [evil]: evil } } : line;
      return Object.fromEntries(
        Object.entries(line).map(([name, value]) => {
          const data = ['calls', 'notes', 'given', 'text'].includes(name);
          if (name === 'changes')
            return [name, [{ observer: 'mounts', key: evil, before: evil, after: evil }]];
          if (name === 'looks') return [name, { mounts: { whole: { [evil]: evil } } }];
          if (name === 'undo') return [name, [{ kind: 'user-data', lifetime: 'never', what: evil }]];
          return [name, data ? changed(value, (each) => each + evil, name === 'given') : value];
        }),
      );
    });
    const drawn = await replayed(read(sealed(dirty)), EVERYTHING);
    expect(drawn).toContain('\\e[2J\\u202e');
    expect(UNSAFE.exec(drawn)).toBeNull();
  });

  test('control characters in names are refused', () => {
    for (const [index, line] of linesIn(text).entries()) {
      if (!plain.has(line.k)) continue;
      for (const replaced of replacements(line, evil)) {
        const { initial, words } = replaced as { initial?: unknown; words?: unknown };
        // These two are texts: they are checked above.
        if (JSON.stringify([initial, words]).includes('\\u001b')) continue;
        const all = linesIn(text).with(index, replaced as never);
        expect(refusal(() => read(sealed(all))).message).toMatch(/line \d+ is not|not a recording/);
      }
    }
  });

  test.each([null, -1, 'constructor', '__proto__', [], { a: 1 }].map((by) => [by]))(
    'with %j in any place: refused, or drawn without harm',
    async (by) => {
      const all = linesIn(text);
      let [refused, drawn] = [0, 0];
      for (const [index, line] of all.entries()) {
        for (const replaced of replacements(line, by)) {
          try {
            const out = await replayed(read(sealed(all.with(index, replaced as never))), EVERYTHING);
            expect(UNSAFE.test(out)).toBe(false);
            drawn += 1;
          } catch (error) {
            // Anything but this would be a bug in ts-dock.
            expect(error).toMatchObject({ name: 'TsDockError', reason: 'bad-recording' });
            refused += 1;
          }
        }
      }
      expect(refused).toBeGreaterThan(10);
      expect(refused + drawn).toBeGreaterThan(100);
    },
  );
});
