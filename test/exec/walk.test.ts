/**
 * Every step of `exec`, before and after it, by an error and by a real SIGKILL of ts-dock: the container goes on as if
 * nothing had been, and nothing is left of what was begun. One container for all.
 *
 * TS_DOCK_WALK=whole walks all; without it every third case, another third each day.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { execDetachedFlow, execFlow } from '../../src/flows/exec.ts';
import { settle, takeCensus, type Census } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { expectUnharmed, living, type Living } from './living.ts';

const whole = process.env['TS_DOCK_WALK'] === 'whole' || process.env['CI'] !== undefined;
const today = Math.floor(Date.now() / 86_400_000);
const of = (steps: readonly { readonly id: string }[], flags: readonly string[]) =>
  steps.flatMap(({ id }) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['error', 'kill'] as const).map((action) => ({ id, when, action, flags })),
    ),
  );
const cases = [
  ...of(execFlow, []).filter((_, i) => whole || (i + today) % 3 === 0),
  // The program goes on once it was left, which is what -d is for: only before.
  ...of([execDetachedFlow.at(-1)!], ['-d']).filter(({ when }) => when === 'before'),
];

describe.skipIf(skipUnlessRoot())('an exec that breaks', () => {
  let box: Sandbox;
  let web: Living;
  let before: Census;
  const except = (path: string): boolean =>
    /^(journal|linkgraph\.db|network\/leases\.last|events\.jsonl)/.test(path);
  const take = (): Census => takeCensus({ root: box.root, files: [box.root], except });

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    web = await living(box, 'web');
    expect(await box.run(['exec', 'web', 'true'])).toMatchObject({ code: 0 });
    before = take();
  });
  afterAll(async () => {
    expect(await box.run(['exec', 'web', 'true'])).toMatchObject({ code: 0 });
    await web.end();
    await box.dispose();
  });

  it.each(cases)('$when $id by $action leaves nothing', async ({ id, when, action, flags }) => {
    // A program that would stay if nobody ended it, but where its own end is waited for.
    const program = id === 'exec.wait' && when === 'after' ? ['true'] : ['sleep', '1003'];
    const broken = await box.run(['exec', ...flags, '--fail', `${id}:${when}=${action}`, 'web', ...program]);
    if (action === 'kill') {
      expect(broken).toMatchObject({ code: null, signal: 'SIGKILL' });
      expect(await box.run(['recover'])).toMatchObject({ code: 0 });
    } else {
      expect(broken.code).toBe(125);
      expect(broken.stderr).toContain(`a failpoint says that ${id} fails ${when} it acts`);
    }
    await web.alone();
    expectUnharmed(web);
    expect(readdirSync(join(box.root, 'journal/open')).filter((name) => !name.startsWith('.'))).toHaveLength(
      1,
    );
    expect(await settle(before, take)).toEqual([]);
  });
});
