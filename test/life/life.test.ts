/** `wait`, `pause`, `rename`, `rm -f`, `ps` of containers that somebody else supervises. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { eventsOf, running, state, stored } from './rig.ts';

describe.skipIf(skipUnlessRoot())('a container of another ts-dock', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
  });
  afterAll(() => box.dispose());
  const nothingOpen = (): void => expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);

  it('is waited for by as many as want to, and has been taken down then', async () => {
    const { live, program } = await running(box, 'awaited');
    const waiters = [box.start(['wait', 'awaited']), box.start(['wait', 'awaited', 'awaited'])];
    program.end(7);
    expect(await waiters[0]!.done).toMatchObject({ code: 0, stdout: '7\n', stderr: '' });
    nothingOpen();
    expect(await waiters[1]!.done).toMatchObject({ code: 0, stdout: '7\n7\n' });
    expect((await live.done).code).toBe(7);
    expect(await box.run(['wait', 'awaited', 'nobody'])).toMatchObject({ code: 1, stdout: '7\n' });
  });

  it('tells how it ended also when it goes with its run', async () => {
    const { live, program } = await running(box, 'fleeting', ['--rm']);
    const waiter = box.start(['wait', 'fleeting']);
    await waiter.until(/$/);
    program.end(9);
    await live.done;
    const done = await waiter.done;
    // It may have looked after the container was gone; then it says that, and no number.
    if (done.code === 0) expect(done.stdout).toBe('9\n');
    else expect(done.stderr).toContain('No such container: fleeting');
    const { live: second, program: again } = await running(box, 'fleeting', ['--rm']);
    const sure = box.start(['wait', 'fleeting']);
    await untilItWatches(sure.pid);
    again.end(11);
    expect(await sure.done).toMatchObject({ code: 0, stdout: '11\n' });
    await second.done;
  });

  /** Until it has an inotify watch: it has found the container and waits for its end. */
  async function untilItWatches(pid: number): Promise<void> {
    for (;;) {
      const folder = `/proc/${pid}/fdinfo`;
      const infos = readdirSync(folder).map((fd) => {
        try {
          return readFileSync(join(folder, fd), 'utf8');
        } catch {
          return '';
        }
      });
      if (infos.some((text) => /^inotify wd/m.test(text))) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it('whose ts-dock is killed is taken down by whoever waits for it', async () => {
    const { live } = await running(box, 'orphan', ['--rm']);
    const waiter = box.start(['wait', 'orphan']);
    await untilItWatches(waiter.pid);
    live.child.kill('SIGKILL');
    expect(await waiter.done).toMatchObject({ code: 0, stdout: '255\n', stderr: '' });
    nothingOpen();
    expect(stored(box, 'orphan')).toBeUndefined();
  });

  it('stands still while it is paused, and goes on', async () => {
    const { live, program } = await running(box, 'frozen');
    expect(await box.run(['pause', 'frozen'])).toMatchObject({ code: 0, stdout: 'frozen\n', stderr: '' });
    expect(stored(box, 'frozen')?.State).toMatchObject({ Running: true, Paused: true });
    expect((await box.run(['ps'])).stdout).toMatch(/Up .* \(Paused\) +frozen/);
    let answered = false;
    const answer = program.say('echo here').then((reply) => {
      answered = true;
      return reply;
    });
    const twice = await box.run(['pause', 'frozen']);
    expect(twice.code).toBe(1);
    expect(twice.stderr).toContain('cannot pause frozen: it is paused already');
    const removed = await box.run(['rm', 'frozen']);
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('cannot remove frozen: it is paused');
    expect(answered).toBe(false);

    expect(await box.run(['unpause', 'frozen'])).toMatchObject({ code: 0, stdout: 'frozen\n' });
    expect((await answer).output).toBe('here\n');
    expect(stored(box, 'frozen')?.State).toMatchObject({ Running: true, Paused: false });
    const again = await box.run(['unpause', 'frozen']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('cannot unpause frozen: it is not paused');
    const { ID } = stored(box, 'frozen')!;
    program.end();
    await live.done;
    expect(eventsOf(box, ID)).toEqual(['create', 'attach', 'start', 'pause', 'unpause', 'die 0']);
    for (const command of ['pause', 'unpause'])
      expect((await box.run([command, 'frozen'])).stderr).toContain(
        `cannot ${command} frozen: it is not running`,
      );
  });

  it('that is paused when its ts-dock is killed is ended by the next command', async () => {
    const { live } = await running(box, 'stiff', ['--rm']);
    const pid = stored(box, 'stiff')!.State.Pid;
    expect(await box.run(['pause', 'stiff'])).toMatchObject({ code: 0 });
    live.child.kill('SIGKILL');
    await live.done.catch(() => undefined);
    expect(await box.run(['recover', '--json'])).toMatchObject({ code: 0 });
    expect(() => readFileSync(`/proc/${pid}/stat`)).toThrow('ENOENT');
    expect(stored(box, 'stiff')).toBeUndefined();
    nothingOpen();
  });

  describe('is renamed', () => {
    it('while it runs; the old name is free, and the new one taken', async () => {
      const { live, program } = await running(box, 'before');
      const { ID } = stored(box, 'before')!;
      expect(await box.run(['rename', 'before', 'after'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
      expect(stored(box, 'after')?.ID).toBe(ID);
      expect(await box.run(['create', '--name', 'before', 'base', 'true'])).toMatchObject({ code: 0 });
      const taken = await box.run(['create', '--name', 'after', 'base', 'true']);
      expect(taken.code).toBe(125);
      expect(taken.stderr).toContain(`The name after is already assigned to ${ID.slice(0, 12)}`);
      program.end();
      await live.done;
      // Its supervisor knew the old name; what it wrote at the end has the new one.
      expect(stored(box, 'after')?.State).toMatchObject({ Running: false, ExitCode: 0 });
      expect(await box.run(['rm', 'before'])).toMatchObject({ code: 0 });
    });

    it.each([
      [['nobody', 'other'], 125, 'No such container: nobody'],
      [['after', 'after'], 125, 'it is called after already'],
      [['after', 'awaited'], 125, 'The name awaited is already assigned to'],
      [['after', '-x'], 125, '-x'],
      [['after', 'a'], 125, 'at least two letters'],
      [['after', '../etc'], 125, 'at least two letters'],
      [['after', '0123456789ab'], 125, 'it looks like the id of a container'],
    ])('but not from %j', async (args, code, words) => {
      const done = await box.run(['rename', '--', ...args]);
      expect(done).toMatchObject({ code, stdout: '' });
      expect(done.stderr).toContain(words);
    });

    it('never to the beginning of an id', async () => {
      const { ID } = stored(box, 'awaited')!;
      const done = await box.run(['rename', 'after', ID.slice(0, 5)]);
      expect(done.code).toBe(125);
      expect(done.stderr).toContain(`the id ${ID.slice(0, 12)} of a container begins so`);
    });

    it('and its new name is free when it is gone, also with --rm', async () => {
      expect(await box.run(['rm', 'after'])).toMatchObject({ code: 0 });
      const { live, program } = await running(box, 'first', ['--rm']);
      expect(await box.run(['rename', 'first', 'after'])).toMatchObject({ code: 0 });
      program.end();
      expect((await live.done).code).toBe(0);
      const { live: second, program: again } = await running(box, 'after', ['--rm']);
      again.end();
      expect((await second.done).code).toBe(0);
    });
  });

  describe('is removed by force', () => {
    it.each([[[]], [['--rm']]])('while it runs (%j)', async (options) => {
      const { live, program } = await running(box, 'doomed', options);
      await program.say("trap '' TERM");
      const { ID } = stored(box, 'doomed')!;
      const refused = await box.run(['rm', 'doomed']);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('cannot remove doomed: it is running');
      expect(await box.run(['rm', '-f', 'doomed'])).toMatchObject({
        code: 0,
        stdout: 'doomed\n',
        stderr: '',
      });
      expect(stored(box, 'doomed')).toBeUndefined();
      nothingOpen();
      expect((await live.done).code).toBe(137);
      // With --rm nobody is attached: what it says goes straight to its command.
      const attached = options.length === 0 ? ['attach'] : [];
      expect(eventsOf(box, ID)).toEqual([
        'create',
        ...attached,
        ...['start', 'kill SIGKILL', 'die 137', 'destroy'],
      ]);
    });

    it('while it is paused', async () => {
      const { live } = await running(box, 'doomed');
      expect(await box.run(['pause', 'doomed'])).toMatchObject({ code: 0 });
      expect(await box.run(['rm', '-f', 'doomed'])).toMatchObject({ code: 0, stdout: 'doomed\n' });
      expect((await live.done).code).toBe(137);
    });

    it('when it does not run, and not when it is not there', async () => {
      await box.run(['create', '--name', 'idle', 'base', 'true']);
      const done = await box.run(['rm', '-f', 'idle', 'nobody']);
      expect(done).toMatchObject({ code: 1, stdout: 'idle\n' });
      expect(done.stderr).toContain('No such container: nobody');
    });

    it('or without, when its file is damaged', async () => {
      const id = (await box.run(['create', '--name', 'torn', 'base', 'true'])).stdout.trim();
      writeFileSync(join(box.root, 'containers', id, 'config.json'), '{"ID":');
      expect(await box.run(['rm', id])).toMatchObject({ code: 0, stdout: `${id}\n` });
      expect(readdirSync(join(box.root, 'containers'))).not.toContain(id);
    });
  });

  it('leaves its events to root alone', () => {
    expect(statSync(join(box.root, 'events.jsonl')).mode & 0o777).toBe(0o600);
  });

  it('may be an older one, whose file lacks what is new', async () => {
    await box.run(['create', '--name', 'old', 'base', 'sleep', '60']);
    const { ID } = stored(box, 'old')!;
    const path = join(box.root, 'containers', ID, 'config.json');
    const file = JSON.parse(readFileSync(path, 'utf8')) as {
      State: Record<string, unknown>;
      Config: Record<string, unknown>;
    };
    for (const key of ['OOMKilled', 'StopRequested']) file.State[key] = undefined;
    file.Config['StopSignal'] = undefined;
    writeFileSync(path, JSON.stringify(file));
    const live = box.start(['start', '-a', 'old']);
    await state(box, 'old', ({ Running }) => Running);
    expect(await box.run(['stop', '-t', '0', 'old'])).toMatchObject({ code: 0 });
    expect((await live.done).code).toBe(137);
  });
});
