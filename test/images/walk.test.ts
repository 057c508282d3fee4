/**
 * Every step of commit and cp, before and after, by an error and by a kill: the container goes on, nothing stays mounted, no
 * image, no layer and no name that was not there before. TS_DOCK_WALK=whole walks all, else it is a third, another each day.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFrozen } from '../../src/daemon/freezer.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { commitFlow } from '../../src/flows/commit.ts';
import { copyFlow } from '../../src/flows/cp.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { running, stored, type Running } from '../life/rig.ts';
import { settle, takeCensus, type Census } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const WALKS = [
  { steps: commitFlow, words: ['commit', 'live', 'walked:1'] },
  { steps: copyFlow, words: ['cp', '-q', 'f', 'live:/root'] },
  { steps: copyFlow, words: ['cp', '-q', 'f', 'dead:/root'] },
];
const all = WALKS.flatMap(({ steps, words }) =>
  steps.flatMap(({ id }) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['error', 'kill'] as const).map((action) => ({ words, id, when, action })),
    ),
  ),
);
const whole = process.env['TS_DOCK_WALK'] === 'whole' || process.env['CI'] !== undefined;
const today = Math.floor(Date.now() / 86_400_000);
const cases = all.filter((_case, i) => whole || (i + today) % 3 === 0);

describe.skipIf(skipUnlessRoot())('a commit or a copy that breaks', () => {
  let box: Sandbox;
  let live: Running;
  let before: Census;
  const sys = new Kernel();
  const except = (path: string): boolean =>
    /^(journal|events\.jsonl|linkgraph\.db|network\/leases\.last|work$|tmp$)/.test(path) ||
    // What a copy had done when it was broken afterwards is done; and a layer may have got its digest.
    /^overlay\/[0-9a-f]{64}\/(diff\/root|work|diff-id)|-json\.log$/.test(path);
  const take = (): Census => takeCensus({ root: box.root, files: [box.root], except });

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    writeFileSync(join(box.folder, 'f'), 'new\n');
    live = await running(box, 'live', [], { runOptions: { timeout: 300_000 } });
    await live.program.say('mkdir -p /root; echo x >/root/x');
    const script = 'mkdir -p /root; echo x >/root/x';
    await box.run(['run', '--net', 'none', '--name', 'dead', 'base', 'sh', '-c', script]);
    // What is made once and stays: digests of the image's layers, folders.
    mkdirSync(join(box.root, 'work'), { recursive: true, mode: 0o700 });
    const once = await box.run(['commit', 'live', 'once']);
    expect(once.code).toBe(0);
    await live.program.say('echo more >/root/y');
    before = take();
  }, 60_000);
  // Also where beforeAll broke: a root that stays keeps a range of addresses.
  afterAll(() => box.dispose());

  it.each(cases)('$words $when $id by $action leaves nothing', async ({ words, id, when, action }) => {
    const [command = '', ...rest] = words;
    const broken = await box.run([command, '--fail', `${id}:${when}=${action}`, ...rest], {
      cwd: box.folder,
    });
    expect(broken).toMatchObject(action === 'kill' ? { code: null, signal: 'SIGKILL' } : { code: 125 });
    if (action === 'error')
      expect(broken.stderr).toContain(`a failpoint says that ${id} fails ${when} it acts`);
    else expect(await box.run(['recover'])).toMatchObject({ code: 0 });
    const place = placeOf(box.root);
    const container = stored(box, 'live');
    expect(container?.State).toMatchObject({ Running: true, Paused: false });
    expect(isFrozen(sys, place.cgroupParent, container?.ID ?? '')).toBe(false);
    expect((await live.program.say('echo on')).output).toBe('on\n');
    expect(readFileSync(place.repositories, 'utf8')).not.toContain('walked');
    expect(await settle(before, take, 3_000)).toEqual([]);
  });

  it('goes well afterwards', async () => {
    expect(await box.run(['commit', 'live', 'walked:1'])).toMatchObject({ code: 0, stderr: '' });
  });
});
