/** `stop` and `kill` of real containers: what is asked, what is forced, and what stands on disk afterwards. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stopFlow } from '../../src/flows/stop.ts';
import { sandbox, type Live, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { eventsOf, running, state, stored } from './rig.ts';

const OBEYS = "trap 'exit 5' TERM";

describe.skipIf(skipUnlessRoot())('a container that runs', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());

  it('ends by itself when it is asked, and is taken down when stop comes back', async () => {
    const { live, program } = await running(box, 'obedient');
    await program.say(OBEYS);
    const { ID } = stored(box, 'obedient')!;
    expect(await box.run(['stop', 'obedient'])).toMatchObject({ code: 0, stdout: 'obedient\n', stderr: '' });
    expect(stored(box, 'obedient')?.State).toMatchObject({
      Running: false,
      ExitCode: 5,
      Pid: 0,
      StopRequested: true,
    });
    // Not soon, but now: nobody waited here.
    expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);
    expect((await live.done).code).toBe(5);
    expect(eventsOf(box, ID)).toEqual(['create', 'attach', 'start', 'kill SIGTERM', 'die 5', 'stop']);
    // A second time there is nothing to do, which is what was wanted.
    expect(await box.run(['stop', 'obedient'])).toMatchObject({ code: 0, stdout: 'obedient\n' });
  });

  it('is killed when it does not obey, after the time that was said', async () => {
    const { live, program } = await running(box, 'deaf');
    await program.say("trap '' TERM");
    const { ID } = stored(box, 'deaf')!;
    expect(await box.run(['stop', '-t', '1', 'deaf'])).toMatchObject({ code: 0 });
    expect((await live.done).code).toBe(137);
    expect(stored(box, 'deaf')?.State).toMatchObject({ Running: false, ExitCode: 137 });
    expect(eventsOf(box, ID)).toEqual([
      'create',
      'attach',
      'start',
      'kill SIGTERM',
      'kill SIGKILL',
      'die 137',
      'stop',
    ]);
  });

  it('is asked with the signal that it wants', async () => {
    const { live, program } = await running(box, 'particular', ['--stop-signal', 'USR1']);
    await program.say("trap 'exit 6' USR1; trap '' TERM");
    expect(await box.run(['stop', 'particular'])).toMatchObject({ code: 0 });
    expect((await live.done).code).toBe(6);
  });

  it('goes on first when it is paused, and stop says so', async () => {
    const { live, program } = await running(box, 'paused');
    await program.say(OBEYS);
    expect(await box.run(['pause', 'paused'])).toMatchObject({ code: 0 });
    const stop = await box.run(['stop', 'paused']);
    expect(stop).toMatchObject({ code: 0, stdout: 'paused\n' });
    expect(stop.stderr).toContain('paused was paused: it goes on, so that it can end');
    expect((await live.done).code).toBe(5);
    expect(stored(box, 'paused')?.State).toMatchObject({ Paused: false, ExitCode: 5 });
  });

  it('still runs when stop was killed between asking and killing, and ps says so', async () => {
    const { live } = await running(box, 'left');
    const broken = await box.run(['stop', '-t', '0', '--fail', 'stop.wait:after=kill', 'left']);
    expect(broken).toMatchObject({ signal: 'SIGKILL' });
    const seen = await box.run(['ps']);
    expect(seen.stdout).toMatch(/Up .* {3}left/);
    expect(seen.stderr).toContain('was killed; undid what it left behind');
    expect(stored(box, 'left')?.State).toMatchObject({ Running: true, StopRequested: true });
    const second = await box.run(['stop', '-t', '0', 'left']);
    expect(second).toMatchObject({ code: 0, stdout: 'left\n' });
    expect((await live.done).code).toBe(137);
  });

  it('goes on when whoever steps through its stop quits, and nobody is said to be stopped', async () => {
    const { live, program } = await running(box, 'spared');
    const done = await box.run(['stop', '--break', 'stop.signal', 'spared', 'nobody'], { stdin: 'quit\n' });
    expect(done).toMatchObject({ code: 0, stdout: '' });
    expect(stored(box, 'spared')?.State.Running).toBe(true);
    program.end();
    await live.done;
  });

  it('can be stopped by a stop that is stepped through', async () => {
    const { live } = await running(box, 'stepped');
    const { stdout, stderr, code } = await box.run(
      ['stop', '-t', '0', '--break', 'stop.kill', '--trace', 'stepped'],
      { stdin: 'dump values\ncontinue\n' },
    );
    expect([code, stdout]).toEqual([0, 'stepped\n']);
    expect(stderr).toContain('stop.kill');
    expect(stderr).toMatch(/target\.name\s+stepped/);
    expect(stderr).toContain('teardown');
    expect((await live.done).code).toBe(137);
  });

  it('is not waited for any longer when whoever stops it wants to leave', async () => {
    const { live } = await running(box, 'patient');
    const stop = box.start(['stop', '-t', '-1', 'patient', 'nobody']);
    await state(box, 'patient', ({ StopRequested }) => StopRequested);
    // The handlers stand before the first step.
    stop.child.kill('SIGINT');
    expect(await stop.done).toMatchObject({ code: 130, stdout: '' });
    expect(stored(box, 'patient')?.State.Running).toBe(true);
    expect(await box.run(['kill', 'patient'])).toMatchObject({ code: 0 });
    await live.done;
  });

  it.each([
    [['stop', 'nobody'], 1, 'No such container: nobody'],
    [['stop', '-t', '-2', 'nobody'], 125, '--time'],
    [['stop', '--break', 'stop.nothing', 'nobody'], 125, 'stop.nothing'],
    [['kill', 'nobody'], 1, 'No such container: nobody'],
    [['kill', '-s', 'NOPE', 'nobody'], 125, 'to be a signal such as TERM'],
    [['kill', '-s', '0', 'nobody'], 125, 'to be a signal such as TERM'],
    [['kill', 'obedient'], 1, 'cannot kill obedient: it is not running'],
    [['run', '--stop-signal', 'NOPE', 'base', 'true'], 125, '--stop-signal'],
  ])('%j is refused with its reason', async (args, code, words) => {
    const done = await box.run(args);
    expect(done).toMatchObject({ code, stdout: '' });
    expect(done.stderr).toContain(words);
  });

  it('stops what can be stopped, and the exit code tells of the rest', async () => {
    const { live } = await running(box, 'one');
    const done = await box.run(['stop', '-t', '0', 'nobody', 'one']);
    expect(done).toMatchObject({ code: 1, stdout: 'one\n' });
    expect(done.stderr).toContain('No such container: nobody');
    await live.done;
  });

  it('is not stopped while it is being started: there is nobody to ask', async () => {
    const slow = box.start(['run', '--name', 'slow', '--fail', 'launch.clone=delay(60000)', 'base', 'true']);
    await slow.until(/$/);
    while (
      stored(box, 'slow') === undefined ||
      !readdirSync(join(box.root, 'containers', stored(box, 'slow')!.ID)).includes('started-by')
    )
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const [command, verb] of [
      ['stop', 'stop'],
      ['kill', 'kill'],
      ['pause', 'pause'],
    ] as const) {
      const done = await box.run([command, 'slow']);
      expect(done.code).toBe(1);
      expect(done.stderr).toContain(`cannot ${verb} slow: it is being started`);
    }
    const removed = await box.run(['rm', 'slow']);
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('cannot remove slow: it is being started');
    slow.child.kill('SIGKILL');
    await slow.done;
    expect(await box.run(['rm', 'slow'])).toMatchObject({ code: 0, stdout: 'slow\n' });
  });

  describe('gets a signal by kill', () => {
    let live: Live;
    // The program of the rig ends when a signal interrupts its reading.
    const script = "trap 'echo came' USR1; echo up; while :; do sleep 1000 & wait; done";

    it('that it handles, and goes on', async () => {
      live = box.start(['run', '--net', 'none', '--name', 'handler', 'base', 'sh', '-c', script]);
      await live.until(/up/);
      await state(box, 'handler', ({ Running }) => Running);
      expect(await box.run(['kill', '-s', 'SIGUSR1', 'handler'])).toMatchObject({
        code: 0,
        stdout: 'handler\n',
        stderr: '',
      });
      await live.until(/came/);
      expect(stored(box, 'handler')?.State).toMatchObject({ Running: true, StopRequested: false });
    });

    it('that waits while it is paused', async () => {
      expect(await box.run(['pause', 'handler'])).toMatchObject({ code: 0 });
      const sent = await box.run(['kill', '-s', '10', 'handler']);
      expect(sent).toMatchObject({ code: 0 });
      expect(sent.stderr).toContain('the signal waits until it goes on');
      expect(live.output().stdout).toBe('up\ncame\n');
      expect(await box.run(['unpause', 'handler'])).toMatchObject({ code: 0 });
      await live.until(/came\ncame/);
    });

    it('of which it dies, also while it is paused', async () => {
      expect(await box.run(['pause', 'handler'])).toMatchObject({ code: 0 });
      expect(await box.run(['kill', 'handler'])).toMatchObject({ code: 0, stdout: 'handler\n', stderr: '' });
      expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);
      expect(stored(box, 'handler')?.State).toMatchObject({
        Running: false,
        Paused: false,
        ExitCode: 137,
        StopRequested: true,
      });
      expect((await live.done).code).toBe(137);
    });

    it('and forgets the wish for its end at the next start', async () => {
      live = box.start(['start', '-a', 'handler']);
      await live.until(/up/);
      expect(await state(box, 'handler', ({ Running }) => Running)).toMatchObject({
        StopRequested: false,
        ExitCode: 0,
      });
      expect(await box.run(['kill', '-s', 'KILL', 'handler'])).toMatchObject({ code: 0 });
      expect((await live.done).code).toBe(137);
    });
  });
});

const whole = process.env['TS_DOCK_WALK'] === 'whole' || process.env['CI'] !== undefined;
const today = Math.floor(Date.now() / 86_400_000);
const cases = stopFlow
  .flatMap(({ id }) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['error', 'kill'] as const).map((action) => ({ id, when, action })),
    ),
  )
  .filter((_, i) => whole || (i + today) % 3 === 0);

/** The steps after which the container has ended, whatever becomes of the rest. */
const over = (id: string, when: string): boolean =>
  id === 'stop.teardown' || (id === 'stop.kill' && when === 'after');

describe.skipIf(skipUnlessRoot())('a stop that breaks', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
  });
  afterAll(() => box.dispose());

  it.each(cases)('$when $id by $action: a second stop ends it truly', async ({ id, when, action }) => {
    const { live, program } = await running(box, 'walker', ['--rm']);
    await program.say("trap '' TERM");
    const broken = await box.run(['stop', '-t', '0', '--fail', `${id}:${when}=${action}`, 'walker']);
    if (action === 'kill') expect(broken).toMatchObject({ code: null, signal: 'SIGKILL' });
    else {
      expect(broken).toMatchObject({ code: 1, stdout: '' });
      expect(broken.stderr).toContain(`a failpoint says that ${id} fails ${when} it acts`);
    }
    if (!over(id, when)) {
      expect(stored(box, 'walker')?.State.Running).toBe(true);
      expect(await program.say('echo alive')).toMatchObject({ output: 'alive\n' });
      expect(await box.run(['stop', '-t', '0', 'walker'])).toMatchObject({ code: 0, stdout: 'walker\n' });
    }
    expect((await live.done).code).toBe(137);
    await box.run(['recover']);
    expect(stored(box, 'walker')).toBeUndefined();
    expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);
    expect(readdirSync(join(box.root, 'execdriver/native'))).toEqual([]);
  });
});
