/** The trace of a container that outlives its command: sent once, when all of it has happened, by whoever saw the end. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { concludeFlow, detachedRunFlow } from '../../src/flows/run.ts';
import { eventually } from '../detached/eventually.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { decode, expectWhole, fromOtlp, pathTo, stepsIn, type PlainSpan } from './forms.ts';
import { receiver, type Receiver } from './receiver.ts';

describe.skipIf(skipUnlessRoot())('the trace of a detached run', () => {
  let box: Sandbox;
  let collector: Receiver;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());
  beforeEach(async () => (collector = await receiver()));
  afterEach(() => collector.close());

  const traces = (): PlainSpan[][] => {
    const spans = fromOtlp(...collector.requests.map(({ body }) => decode(body)));
    return [...new Set(spans.map(({ traceId }) => traceId))].map((id) =>
      spans.filter((s) => s.traceId === id),
    );
  };
  /** Ids of runs that say that they were sent, oldest first. */
  const sent = (): string[] =>
    readdirSync(join(box.root, 'journal'))
      .filter((run) => /^\d/.test(run) && readdirSync(join(box.root, 'journal', run)).includes('export.json'))
      .sort();
  const run = async (env: Record<string, string>, ...args: string[]): Promise<void> => {
    const options = ['run', '-d', '-i', '--net', 'none', '--otlp', collector.endpoint, ...args];
    const done = await box.run([...options, 'base', 'sh', '-c', 'read line; exit 3'], { env });
    expect(done).toMatchObject({ code: 0, stderr: '' });
  };
  const end = async (name: string): Promise<void> => {
    expect(await box.start(['attach', name], { stdin: '\n' }).done).toMatchObject({ code: 3 });
  };

  it('is sent once, after the end, and all of it is there', async () => {
    const before = sent().length;
    await run({}, '--name', 'whole');
    expect(collector.requests).toEqual([]);
    await end('whole');
    await eventually(sent, (runs) => runs.length > before);
    const [spans, ...others] = traces();
    expect(others).toEqual([]);
    expectWhole(spans!);
    // With two resources, each span once.
    expect(new Set(spans!.map(({ spanId }) => spanId)).size).toBe(spans!.length);
    expect(stepsIn(spans!)).toEqual([...detachedRunFlow, ...concludeFlow].map(({ id }) => id));
    expect(pathTo(spans!, 'exit.persist')).toEqual(['docker run', 'exit', 'exit.persist']);
    const program = spans!.find(({ name }) => name === 'container process');
    expect(program?.attributes).toMatchObject({ 'process.exit.code': 3 });
    expect(program!.end >= spans!.find(({ name }) => name === 'init.exec')!.end).toBe(true);
    expect(spans!.find(({ name }) => name === 'docker run')?.attributes).toMatchObject({
      'process.exit.code': 3,
    });
    expect(await box.run(['rm', 'whole'])).toMatchObject({ code: 0 });
  });

  it.each(['exit.wait:before', 'exit.persist:after'])(
    'is whole where its end was killed at %s, and goes with the next one',
    async (point) => {
      await run({ TS_DOCK_FAIL: `${point}=kill` }, '--name', 'broken');
      const [id = ''] = readdirSync(join(box.root, 'journal/open'));
      // Whoever was attached waits for the teardown, and finds that it is his.
      await end('broken');
      expect(collector.requests).toEqual([]);
      const next = await box.run([
        'run',
        '--rm',
        '--otlp',
        collector.endpoint,
        '--otlp-wait',
        'base',
        'true',
      ]);
      expect(next).toMatchObject({ code: 0 });
      await eventually(sent, (runs) => runs.includes(id));
      const broken = traces().find((spans) =>
        spans.some(
          ({ name }) =>
            name === 'undo' && spans.some(({ attributes }) => attributes['tsdock.recovered'] === true),
        ),
      );
      expect(broken).toBeDefined();
      expectWhole(broken!);
      expect(broken!.find(({ name }) => name === 'container process')?.attributes).toMatchObject({
        'process.exit.code': 3,
      });
      expect(broken!.find(({ name }) => name === 'docker run')?.attributes).toMatchObject({
        'process.exit.code': 3,
      });
      expect(readFileSync(join(box.root, 'journal/export.log'), 'utf8')).not.toContain('could not send');
      expect(await box.run(['rm', 'broken'])).toMatchObject({ code: 0 });
    },
  );
});
