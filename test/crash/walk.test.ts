/**
 * Every step of `run --rm`, before and after it, by an error and by a real SIGKILL of ts-dock: afterwards the host and the
 * root are what they were, the name is free again, and to recover a second time does nothing.
 *
 * TS_DOCK_WALK=whole walks all; without it (a developer's `npm test`) every third case, another third each day.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFlow } from '../../src/flows/run.ts';
import { sections, settle, takeCensus, type Census } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const whole = process.env['TS_DOCK_WALK'] === 'whole' || process.env['CI'] !== undefined;
const today = Math.floor(Date.now() / 86_400_000);
const cases = runFlow
  .flatMap(({ id }) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['error', 'kill'] as const).map((action) => ({ id, when, action })),
    ),
  )
  .filter((_, i) => whole || (i + today) % 3 === 0);

const NAME = 'walker';

describe.skipIf(skipUnlessRoot())('a run that breaks', () => {
  let box: Sandbox;
  let before: Census;
  // Closed journals and events are kept on purpose, and a database does not shrink.
  const except = (path: string): boolean =>
    /^(journal|events\.jsonl|linkgraph\.db|network\/leases\.last)/.test(path);
  const take = (): Census => takeCensus({ root: box.root, files: [box.root], except });

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['host', 'up'])).toMatchObject({ code: 0 });
    // All but the files, which the first run makes: image, database, folders.
    const host = (): Census =>
      takeCensus({ root: box.root, only: sections.filter((each) => each !== 'file') });
    const idle = host();
    expect(await box.run(['run', '--rm', '--name', NAME, 'base', 'true'])).toMatchObject({ code: 0 });
    expect(await settle(idle, host)).toEqual([]);
    before = take();
  });
  afterAll(async () => {
    expect(await box.run(['run', '--rm', '--name', NAME, 'base', 'true'])).toMatchObject({ code: 0 });
    await box.dispose();
  });

  it.each(cases)('$when $id by $action leaves nothing', async ({ id, when, action }) => {
    const broken = await box.run([
      'run',
      '--rm',
      '--name',
      NAME,
      '--fail',
      `${id}:${when}=${action}`,
      'base',
      'true',
    ]);
    if (action === 'kill') expect(broken).toMatchObject({ code: null, signal: 'SIGKILL' });
    else {
      expect(broken.code).toBe(125);
      expect(broken.stderr).toContain(`a failpoint says that ${id} fails ${when} it acts`);
    }

    const recovered = await box.run(['recover', '--json']);
    expect(recovered).toMatchObject({ code: 0, stderr: '' });
    // An error is undone by the run itself; only a killed run leaves something to recover.
    expect(JSON.parse(recovered.stdout)).toHaveLength(action === 'kill' ? 1 : 0);
    expect(await settle(before, take, 3_000)).toEqual([]);

    // That the name is free again shows in the next case, which takes it.
    if (action === 'kill') {
      expect(await box.run(['recover', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
    }
  });
});
