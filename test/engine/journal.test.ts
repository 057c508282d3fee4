/** What a journal tells, also one whose writer was killed in the middle of a line. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Compensation } from '../../src/engine/compensation.ts';
import {
  Journal,
  KEPT_JOURNALS,
  keptRuns,
  openRuns,
  prune,
  readStory,
  tell,
} from '../../src/engine/journal.ts';
import { drawTrace } from '../../src/engine/session.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const sys = new Kernel();
let folder = '';
const head = (run: string): Parameters<typeof Journal.begin>[2] => ({
  run,
  command: 'run',
  trace: drawTrace(undefined),
  rm: false,
  version: 'test',
});
const tree = (path: string): Compensation => ({ lifetime: 'transient', kind: 'remove-tree', path });

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'journal-')), 'journal');
});
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true });
});

describe('a journal', () => {
  it('owes what was planned and not undone, in the order of the plans', () => {
    const journal = Journal.begin(sys, folder, head('r1'));
    journal.plan(1, 'start.a', null, [tree('a'), tree('b')]);
    journal.also(1, 'start.a', tree('c'));
    journal.write({ k: 'undone', i: 1, at: 0, end: 0, ok: true, error: '' });
    journal.write({ k: 'undone', i: 2, at: 0, end: 0, ok: false, error: 'EBUSY' });
    expect(readStory(sys, folder, 'r1').pending.map(({ i, compensation }) => [i, compensation])).toEqual([
      [0, tree('a')],
      [2, tree('c')],
    ]);
  });

  it('goes on counting where another process left off', () => {
    Journal.begin(sys, folder, head('r1')).plan(1, 'start.a', null, [tree('a'), tree('b')]);
    const again = Journal.reopen(sys, folder, readStory(sys, folder, 'r1'));
    expect(again.also(1, 'start.a', tree('c')).i).toBe(2);
  });

  it('ignores a last line that was cut off, and nothing before it', () => {
    const whole = JSON.stringify({ k: 'plan', n: 1, step: 'start.a', at: 0, drawn: null, undo: [tree('a')] });
    for (let cut = 1; cut < whole.length; cut++) {
      const story = tell('r', `${whole}\n${whole.slice(0, cut)}`);
      expect(story.pending.map(({ compensation }) => compensation)).toEqual([tree('a')]);
    }
  });

  it('writes an aside together with the next line', () => {
    const journal = Journal.begin(sys, folder, head('r1'));
    const kinds = (): string[] => readStory(sys, folder, 'r1').entries.map(({ k }) => k);
    journal.aside({ k: 'frame', way: 'to-init', t: 'go', step: 'init.exec', at: 1, sent: 0 });
    expect(kinds()).toEqual(['begin']);
    journal.write({ k: 'created' });
    journal.write({ k: 'end', at: 2, code: 0 });
    expect(kinds()).toEqual(['begin', 'frame', 'created', 'end']);
  });

  it('is open until it is settled, and kept while its container is there', () => {
    const journal = Journal.begin(sys, folder, head('r1'));
    expect(openRuns(sys, folder)).toEqual(['r1']);
    journal.settle('c1');
    expect(openRuns(sys, folder)).toEqual([]);
    expect(keptRuns(sys, folder, 'c1')).toEqual(['r1']);
  });

  it('is pruned when it is closed and old, never while it is open or kept', () => {
    Journal.begin(sys, folder, head('000-open')).leave();
    Journal.begin(sys, folder, head('001-kept')).settle('c1');
    for (let i = 0; i < KEPT_JOURNALS + 5; i++)
      Journal.begin(sys, folder, head(`100-${i.toString().padStart(4, '0')}`)).settle(undefined);
    prune(sys, folder, (name) => {
      rmSync(join(folder, name), { recursive: true });
    });
    const left = readdirSync(folder).filter((name) => /^\d/.test(name));
    expect(left).toHaveLength(KEPT_JOURNALS + 2);
    expect(left).toContain('000-open');
    expect(left).toContain('001-kept');
    expect(left).not.toContain('100-0004');
    expect(left).toContain('100-0005');
  });
});

describe('the trace of a run', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';

  it.each([
    [`${parent}01`, true],
    [`${parent}00`, false],
  ])('continues %s', (traceparent, sampled) => {
    const trace = drawTrace(traceparent);
    expect(trace).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parent: 'b7ad6b7169203331',
      sampled,
    });
    expect(trace.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(trace.processSpanId).not.toBe(trace.spanId);
  });

  it.each([undefined, '', 'garbage', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `${parent}01 `])(
    'begins anew after %s',
    (traceparent) => {
      expect(drawTrace(traceparent)).toMatchObject({ parent: '', sampled: true });
    },
  );
});
