/** `restart`: one life ends, the next begins, and whoever breaks it in between leaves what is true. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { restartFlow } from '../../src/flows/restart.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { eventsOf, stored } from './rig.ts';

const FOREVER = ['base', 'sh', '-c', "trap 'exit 5' TERM; echo up; while :; do sleep 1000 & wait; done"];

describe.skipIf(skipUnlessRoot())('restart', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());

  it('gives a container that runs a new process, and counts for no policy', async () => {
    expect(
      await box.run(['run', '-d', '--net', 'none', '--name', 'web', '--restart', 'always', ...FOREVER]),
    ).toMatchObject({ code: 0 });
    const first = stored(box, 'web')!;
    const looker = box.start(['logs', '-f', 'web']);
    await looker.until(/up/);
    expect(await box.run(['restart', 'web'])).toMatchObject({ code: 0, stdout: 'web\n', stderr: '' });
    const second = stored(box, 'web')!;
    expect(second).toMatchObject({ RestartCount: 0, State: { Running: true, StopRequested: false } });
    expect(second.State.Pid).not.toBe(first.State.Pid);
    expect(eventsOf(box, first.ID)).toEqual([
      ...['create', 'start', 'kill SIGTERM', 'die 5', 'stop', 'start', 'restart'],
    ]);
    looker.child.kill();
    expect(await box.run(['stop', '-t', '0', 'web'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('just starts one that does not run', async () => {
    expect(await box.run(['restart', 'web'])).toMatchObject({ code: 0, stdout: 'web\n', stderr: '' });
    expect(stored(box, 'web')?.State).toMatchObject({ Running: true });
    expect(await box.run(['stop', '-t', '0', 'web'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('kills what does not obey in the time that was said', async () => {
    const args = ['base', 'sh', '-c', "trap '' TERM; while :; do sleep 1000; done"];
    await box.run(['run', '-d', '--net', 'none', '--name', 'deaf', ...args]);
    expect(await box.run(['restart', '-t', '0', 'deaf'])).toMatchObject({ code: 0, stdout: 'deaf\n' });
    expect(await box.run(['rm', '-f', 'deaf'])).toMatchObject({ code: 0 });
  });

  it.each([
    [['nobody'], 1, 'No such container: nobody'],
    [['-t', '-2', 'web'], 125, '--time'],
    [['--break', 'stop.nothing', 'web'], 125, 'stop.nothing'],
  ])('%j is refused with its reason', async (args, code, words) => {
    const done = await box.run(['restart', ...args]);
    expect(done).toMatchObject({ code, stdout: '' });
    expect(done.stderr).toContain(words);
  });

  it('spares a container that would be gone when it ends', async () => {
    await box.run(['run', '-d', '--rm', '--net', 'none', '--name', 'brief', ...FOREVER]);
    const done = await box.run(['restart', '-t', '0', 'brief', 'web']);
    expect(done).toMatchObject({ code: 1, stdout: 'web\n' });
    expect(done.stderr).toContain('it was made with --rm');
    expect(stored(box, 'brief')?.State.Running).toBe(true);
    expect(await box.run(['rm', '-f', 'brief', 'web'])).toMatchObject({ code: 0 });
  });

  it('is stepped through, in both of its halves', async () => {
    await box.run(['run', '-d', '--net', 'none', '--name', 'stepped', ...FOREVER]);
    const done = await box.run(
      ['restart', '-t', '0', '--break', 'stop.kill', '--break', 'start.hosts', 'stepped'],
      { stdin: 'continue\ncontinue\n' },
    );
    expect(done).toMatchObject({ code: 0, stdout: 'stepped\n' });
    expect(done.stderr).toContain('stop.kill');
    expect(done.stderr).toContain('start.hosts');
    expect(restartFlow.map(({ id }) => id)).toContain('launch.monitor');
    const quit = await box.run(['restart', '-t', '0', '--break', 'start.hosts', 'stepped', 'nobody'], {
      stdin: 'quit\n',
    });
    expect(quit).toMatchObject({ code: 0, stdout: '' });
    expect(stored(box, 'stepped')?.State).toMatchObject({ Running: false });
    expect(await box.run(['rm', 'stepped'])).toMatchObject({ code: 0, stderr: '' });
  });
});
