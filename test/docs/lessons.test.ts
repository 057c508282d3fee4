/** Each lesson is walked as its head says, and shows what its comments say that it shows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFlow } from '../../src/flows/run.ts';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const root = join(import.meta.dirname, '../..');

/** The command that stands in the head of a lesson, without the program's name. */
function begin(lesson: string): string[] {
  const text = readFileSync(join(root, 'lessons', lesson), 'utf8');
  const [, line = ''] = /^# {3}ts-dock (.*)$/m.exec(text) ?? [];
  expect(line, `the head of ${lesson}`).toContain(`--step-commands lessons/${lesson}`);
  return line.split(' ');
}

const told = (text: string, word: string): string[] =>
  text.split(/^\(ts-dock\) /m).filter((part) => part.startsWith(word));

const WALKS: Readonly<Record<string, (done: Done) => void>> = {
  'first-walk.txt': ({ code, stderr }) => {
    expect(code).toBe(0);
    expect(stderr).toContain(`── [${runFlow.length.toString()}/${runFlow.length.toString()}] `);
    expect(stderr).toContain('exit code 0');
  },
  'look-around.txt': ({ code, stderr }) => {
    expect(code).toBe(0);
    expect(told(stderr, 'dump process')[0]).toMatch(/bounding capabilities/);
    expect(told(stderr, 'calls')[0]).toContain('symlinkat(');
    const [before, after] = told(stderr, 'shell ls /').map((part) =>
      part.split('\n').map((line) => line.trim()),
    );
    expect(before).toEqual(expect.arrayContaining(readdirSync('/').filter((name) => !name.startsWith('.'))));
    expect(after).toEqual(expect.arrayContaining(['etc', 'proc']));
    expect(after).not.toContain('boot');
    expect(told(stderr, 'next')[0]).toContain('pivot_root(".", ".") = 0');
    expect(told(stderr, 'diff')[1]).toMatch(/changed by init\.pivot\n +mounts\n +~ container \/\n/);
  },
  'why-it-fails.txt': ({ code, stderr }) => {
    expect(code).toBe(125);
    expect(told(stderr, 'shell cat')[0]).toContain('root:x:0:0:');
    expect(told(stderr, 'shell cat')[0]).not.toMatch(/^ *bob:/m);
    expect(told(stderr, 'next')[0]).toMatch(/✗ init\.user failed after/);
    expect(stderr).toContain('undo  unmount ');
    expect(stderr).toContain('unable to find user bob');
  },
};

describe.skipIf(skipUnlessRoot())('a lesson', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());

  it('is begun in the README as in its own head', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    for (const lesson of readdirSync(join(root, 'lessons')))
      expect(readme).toContain(`ts-dock ${begin(lesson).join(' ')}`);
  });

  it.each(readdirSync(join(root, 'lessons')))('%s', async (lesson) => {
    const walked = WALKS[lesson];
    expect(walked, `what ${lesson} shows`).toBeDefined();
    walked?.(await box.run(begin(lesson), { cwd: root }));
  });
});
