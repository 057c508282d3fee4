/** Each step and stage has a card of one shape, numbers and names agree on both sides, and the book leaves no step out. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { STAGES, stageOf } from '../../src/engine/step.ts';
import { allSteps, FLOWS } from '../../src/flows/all.ts';
import { execFlow } from '../../src/flows/exec.ts';
import { runFlow } from '../../src/flows/run.ts';

const root = join(import.meta.dirname, '../..');
const ALL_STEPS = allSteps();
const HEADINGS = ['## What happens', '## Why here', '## Without it', '## Look'];
const folders = readdirSync(join(root, 'src/steps'));
/** Stages are numbered in their order; a number may be missing, not given twice. */
const folderOf = (stage: string): string =>
  join(root, 'src/steps', folders.find((folder) => folder.replace(/^\d+-/, '') === stage) ?? 'none');

/** `NNN-name` of a step's files. */
function fileOf(id: string): string {
  const [stage = '', name = ''] = id.split('.');
  const found = readdirSync(folderOf(stage)).filter((file) => new RegExp(`^\\d{3}-${name}\\.ts$`).test(file));
  expect(found, `files of ${id}`).toHaveLength(1);
  return found[0]?.replace(/\.ts$/, '') ?? '';
}

function checkCard(path: string): void {
  const text = readFileSync(path, 'utf8');
  expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual(expect.arrayContaining(HEADINGS));
  expect(text.split('\n').filter((line) => line.startsWith('## '))).toEqual(HEADINGS);
  expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  for (const part of text.split(/^## .*$/m).slice(1)) expect(part.trim()).not.toBe('');
}

describe('a card', () => {
  it.each(ALL_STEPS.map(({ id }) => id))('of %s has its four parts', (id) => {
    checkCard(join(folderOf(stageOf(id)), `${fileOf(id)}.md`));
  });

  it.each(STAGES)('of the stage %s has its four parts', (stage) => {
    checkCard(join(folderOf(stage), 'stage.md'));
  });

  it('belongs to a step', () => {
    for (const stage of STAGES) {
      for (const file of readdirSync(folderOf(stage)).filter((name) => /^\d.*\.md$/.test(name))) {
        const id = `${stage}.${file.replace(/^\d+-/, '').replace(/\.md$/, '')}`;
        expect(ALL_STEPS.map((step): string => step.id)).toContain(id);
      }
    }
  });
});

describe('a step', () => {
  it('has a title of at most 50 characters and an id of its own', () => {
    expect(
      ALL_STEPS.filter(({ title }) => title.length > 50 || !/^[A-Z][a-z]+ /.test(title)).map(({ id }) => id),
    ).toEqual([]);
    expect(new Set(ALL_STEPS.map(({ id }) => id)).size).toBe(ALL_STEPS.length);
  });

  it.each(Object.entries(FLOWS))(
    'of %s comes in the order of its number within its stage',
    (_flow, steps) => {
      for (const stage of STAGES) {
        const files = steps.filter(({ id }) => stageOf(id) === stage).map(({ id }) => fileOf(id));
        expect(files).toEqual([...files].sort());
      }
    },
  );

  it('of dockerinit is the same on both sides', () => {
    const printed = JSON.parse(
      execFileSync(join(root, 'build/dockerinit'), ['--steps'], { encoding: 'utf8' }),
    ) as { id: string; file: string }[];
    const ours = runFlow.filter(({ actor }) => actor === 'dockerinit').map(({ id }) => id);
    expect(printed.map(({ id }) => id)).toEqual(ours);
    for (const id of ours)
      expect(existsSync(join(root, 'native/dockerinit/steps', `${fileOf(id)}.cpp`)), id).toBe(true);
  });

  it('of dockerinit is the same on both sides for exec, wherever its code lies', () => {
    const printed = JSON.parse(
      execFileSync(join(root, 'build/dockerinit'), ['--exec-steps'], { encoding: 'utf8' }),
    ) as { id: string; number: number; file: string }[];
    const ours = execFlow.filter(({ actor }) => actor === 'dockerinit').map(({ id }) => id);
    expect(printed.map(({ id }) => id)).toEqual(ours);
    for (const { id, number, file } of printed) {
      expect(Number(fileOf(id).slice(0, 3)), id).toBe(number);
      expect(existsSync(join(root, 'native/dockerinit', file)), file).toBe(true);
    }
    const own = readdirSync(join(root, 'native/dockerinit/exec-steps'));
    expect(own.filter((file) => !printed.some((row) => row.file === `exec-steps/${file}`))).toEqual([]);
  });

  it('is told of in the book', () => {
    const book = readFileSync(join(root, 'book.md'), 'utf8');
    expect(ALL_STEPS.map(({ id }) => id).filter((id) => !book.includes(`\`${id}\``))).toEqual([]);
    const names = new RegExp(`\`((?:${STAGES.join('|')})\\.[a-z-]+)\``, 'g');
    const named = [...book.matchAll(names)].map(([, id]) => id);
    expect(new Set(named.map((id) => id?.split('.')[0]))).toEqual(new Set(STAGES));
    expect(named.filter((id) => !ALL_STEPS.some((step) => step.id === id))).toEqual([]);
  });
});
