/**
 * The walk of failpoints for containers that outlive their ts-dock: what `run -d` does otherwise than `run --rm`
 * (walk.test.ts), the end and the restart that a monitor's process walks, and `restart` in both of its halves. Afterwards one `recover` makes true what is on disk, nobody is left, and a
 * second one does nothing.
 *
 * TS_DOCK_WALK=whole walks all; without it every third case, another third each day.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchSteps } from '../../src/flows/launch.ts';
import { settle, takeCensus, type Census } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { eventually } from '../detached/eventually.ts';
import { stored } from '../life/rig.ts';

const whole = process.env['TS_DOCK_WALK'] === 'whole' || process.env['CI'] !== undefined;
const today = Math.floor(Date.now() / 86_400_000);

interface Case {
  readonly id: string;
  readonly when: 'before' | 'after';
  readonly action: 'error' | 'kill';
}
/** By a kill before and after; by an error after, when most is to be undone. */
const everyWay = (ids: readonly string[]): Case[] => [
  ...kills(ids),
  ...ids.map((id) => ({ id, when: 'after', action: 'error' }) as const),
];
const kills = (ids: readonly string[]): Case[] =>
  ids.flatMap((id) => (['before', 'after'] as const).map((when) => ({ id, when, action: 'kill' }) as const));
const some = <T>(cases: readonly T[]): T[] => cases.filter((_, i) => whole || (i + today) % 3 === 0);

/** From this point on its monitor has it: ts-dock may go. */
const handed = ({ id, when }: Case): boolean => id === 'launch.callback' && when === 'after';

const launch = launchSteps.map(({ id }) => id).filter((id) => id.startsWith('launch.'));
const detached = everyWay(['start.console', 'launch.monitor', ...launch, 'init.join-cgroups', 'init.exec']);
const terminal = kills(['start.console', 'launch.monitor', 'launch.clone', 'init.ptmx-console', 'init.exec']);
const policy = everyWay([
  ...['exit.wait', 'exit.persist', 'start.back-off', 'start.get-container', 'start.mount-rootfs'],
  ...['launch.monitor', 'launch.clone', 'launch.save-state', 'launch.callback'],
]);
const restarts = kills(['stop.request', 'stop.kill', 'stop.teardown', 'launch.monitor', 'launch.callback']);

describe.skipIf(skipUnlessRoot())('a supervised container that breaks', () => {
  let box: Sandbox;
  let bare: Census;
  // Closed journals and events are kept on purpose, a database does not shrink, and a log says what was said.
  const except = (path: string): boolean =>
    /^(journal|events\.jsonl|linkgraph\.db|network\/leases\.last|containers\/[0-9a-f]+\/)/.test(path);
  const take = (): Census => takeCensus({ root: box.root, files: [box.root], except });
  const sleeps = ['base', 'sleep', '1004'];

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
    await eventually(take, (now) => settled(now));
    bare = take();
  });
  afterAll(() => box.dispose());

  const settled = (census: Census): boolean =>
    ![...(census.get('link')?.keys() ?? [])].some((name) => name.includes('veth'));
  const nothingOpen = (): string[] => readdirSync(join(box.root, 'journal/open'));

  /** What monitors have become, of containers of this root. */
  const supervisors = (): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        const words = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') : [];
        return words.includes(box.root) && words.includes('supervise');
      } catch {
        return false;
      }
    });

  const journalsOf = (container: string): string =>
    readdirSync(join(box.root, 'journal'))
      .filter((name) => /^\d/.test(name))
      .map((run) => readFileSync(join(box.root, 'journal', run, 'journal.jsonl'), 'utf8'))
      .filter((text) => text.includes(container))
      .join('');

  /** One recovery makes it true, the next has nothing to do. */
  async function recovered(): Promise<void> {
    expect(await box.run(['recover'])).toMatchObject({ code: 0, stderr: '' });
    expect(await box.run(['recover', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
  }

  describe.each([
    ['run -d', some(detached), []],
    ['run -d -t', some(terminal), ['-t']],
  ] as const)('in %s', (_, cases, flags) => {
    it.each(cases)('$when $id by $action', async (each) => {
      const { id, when, action } = each;
      const point = `${id}:${when}=${action}`;
      const args = ['run', '-d', '--rm', '--name', 'walker', ...flags, '--fail', point, ...sleeps];
      const broken = await box.run(args);
      expect(broken).toMatchObject(action === 'kill' ? { signal: 'SIGKILL' } : { code: 125, stdout: '' });
      await recovered();
      // After launch.callback:after=error the run undoes itself: it had not left it.
      if (handed(each) && action === 'kill') {
        expect(stored(box, 'walker')?.State.Running).toBe(true);
        expect(await box.run(['rm', '-f', 'walker'])).toMatchObject({ code: 0, stderr: '' });
      }
      expect(stored(box, 'walker')).toBeUndefined();
      expect(nothingOpen()).toEqual([]);
      expect(await settle(bare, take, 3_000)).toEqual([]);
    });
  });

  describe('in a restart by its policy', () => {
    const runs = async (fail: string): Promise<void> => {
      const args = ['run', '-d', '--name', 'policy', '--restart', 'on-failure:1', '--net', 'none'];
      const env = { TS_DOCK_FAIL: fail };
      expect(await box.run([...args, 'base', 'sh', '-c', 'exit 3'], { env })).toMatchObject({ code: 0 });
    };

    it.each(some(policy))('$when $id by $action', async ({ id, when, action }) => {
      await runs(`${id}:${when}=${action}`);
      // Whatever became of it, it comes to rest without anybody's help, or, where it was killed, with that of `recover`.
      const rest = await eventually(
        async () => {
          await box.run(['recover']);
          return { state: stored(box, 'policy')?.State, open: nothingOpen(), left: supervisors() };
        },
        ({ state, open, left }) =>
          left.length + open.length === 0 && state?.Running === false && !state.Restarting,
      );
      expect(rest.state).toMatchObject({ Pid: 0, Paused: false });
      // The first run's end was seen by its monitor, which wrote it down before anything could break.
      expect([3, 255]).toContain(rest.state?.ExitCode);
      if (id.startsWith('exit.')) expect(rest.state?.ExitCode).toBe(3);
      // Once its monitor has the second life, nobody misses the ts-dock that was killed.
      if (!handed({ id, when, action }) || action === 'error')
        expect(journalsOf(stored(box, 'policy')!.ID)).toContain(
          action === 'kill' ? '"k":"recovered"' : '"injected"',
        );
      await recovered();
      expect(await box.run(['rm', 'policy'])).toMatchObject({ code: 0, stderr: '' });
      expect(await settle(bare, take, 3_000)).toEqual([]);
    });
  });

  describe('in restart', () => {
    // One that fails must not take the name from those that follow.
    afterEach(async () => {
      if (stored(box, 'walker') !== undefined) await box.run(['rm', '-f', 'walker']);
    });

    it.each(some(restarts))('$when $id by $action', async (each) => {
      const { id, when, action } = each;
      const args = ['run', '-d', '--name', 'walker', '--net', 'none'];
      expect(await box.run([...args, ...sleeps])).toMatchObject({ code: 0, stderr: '' });
      const broken = await box.run(['restart', '-t', '0', '--fail', `${id}:${when}=${action}`, 'walker']);
      expect(broken).toMatchObject(action === 'kill' ? { signal: 'SIGKILL' } : { code: 1, stdout: '' });
      await recovered();
      // Where the program has just been killed, its monitor takes it down in its own time.
      const { Running } = await eventually(
        () => Promise.resolve({ ...stored(box, 'walker')!.State, open: nothingOpen().length }),
        (rest) => rest.open === (rest.Running ? 1 : 0),
      );
      // Its first life goes on until it was killed, its second one from the handing over on.
      const lives = id.startsWith('stop.') ? undefined : handed(each) && action === 'kill';
      if (lives !== undefined) expect(Running).toBe(lives);
      expect(await box.run(['restart', '-t', '0', 'walker'])).toMatchObject({ code: 0, stdout: 'walker\n' });
      expect(stored(box, 'walker')?.State.Running).toBe(true);
      expect(await box.run(['rm', '-f', 'walker'])).toMatchObject({ code: 0, stderr: '' });
      expect(await settle(bare, take, 3_000)).toEqual([]);
    });
  });
});
