/** Who is killed when, in the life of a container that has a monitor; and what the next command makes of it. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../detached/eventually.ts';
import { eventsOf, state, stored } from '../life/rig.ts';
import { programOverFifos, type Program } from '../rig/program.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';

const lives = (pid: number): boolean => existsSync(`/proc/${pid.toString()}`);
const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid.toString()}/status`, 'utf8'))?.[1]);

describe.skipIf(skipUnlessRoot())('a supervised container', () => {
  let box: Sandbox;
  let count = 0;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());

  const nothingOpen = (): void => expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);
  const remove = async (name: string): Promise<void> => {
    expect(await box.run(['rm', '-f', name])).toMatchObject({ code: 0, stdout: `${name}\n`, stderr: '' });
    nothingOpen();
  };
  const detached = async (name: string, args: readonly string[], env = {}): Promise<void> => {
    const done = await box.run(['run', '-d', '--net', 'none', '--name', name, ...args], { env });
    expect(done).toMatchObject({ code: 0, stderr: '' });
  };
  const remote = async (options: readonly string[] = []): Promise<{ name: string; program: Program }> => {
    const name = `remote${(count += 1).toString()}`;
    const folder = join(box.folder, name);
    mkdirSync(folder);
    const plan = programOverFifos(folder, '/rig');
    const program = plan.connect();
    await detached(name, ['-v', `${folder}:/rig`, ...options, 'base', ...plan.argv]);
    return { name, program };
  };
  const pidOf = (name: string): number => stored(box, name)!.State.Pid;
  const killMonitor = (name: string): void => {
    process.kill(parentOf(pidOf(name)), 'SIGKILL');
  };

  it('whose monitor is killed ends, and both who look on are told', async () => {
    await detached('seen', ['-i', 'base', 'sh', '-c', "trap '' TERM; echo up; read line; echo never"]);
    const lookers = [
      box.start(['attach', '--no-stdin', 'seen']),
      box.start(['attach', 'seen'], { stdin: 'open' }),
    ];
    const { ID } = stored(box, 'seen')!;
    await eventually(
      () => eventsOf(box, ID).filter((each) => each === 'attach').length,
      (attached) => attached === 2,
    );
    const pid = pidOf('seen');
    killMonitor('seen');
    for (const looker of lookers) {
      const done = await looker.done;
      expect(done.code).toBe(255);
      expect(done.stderr).toContain('the monitor of seen was killed, and the container ended with it');
    }
    expect(lives(pid)).toBe(false);
    expect(stored(box, 'seen')?.State).toMatchObject({ Running: false, ExitCode: 255 });
    await remove('seen');
  });

  it('whose monitor is killed while it is paused is ended by the next command', async () => {
    const { name, program } = await remote();
    expect(await box.run(['pause', name])).toMatchObject({ code: 0 });
    const pid = pidOf(name);
    killMonitor(name);
    expect((await box.run(['ps', '-a'])).stdout).toMatch(new RegExp(`Exited \\(255\\).* ${name}`));
    expect(lives(pid)).toBe(false);
    program.close();
    await remove(name);
  });

  it('goes on when an attached command with a terminal is killed, and can be attached to', async () => {
    const script = "trap 'echo asked; exit 4' TERM; echo up; while :; do sleep 1000 & wait; done";
    const live = box.start(['run', '-t', '--name', 'kept', 'base', 'sh', '-c', script]);
    await live.until(/up/);
    await state(box, 'kept', ({ Running }) => Running);
    live.child.kill('SIGKILL');
    await live.done;
    expect(JSON.parse((await box.run(['recover', '--json'])).stdout)).toEqual([]);
    const looker = box.start(['attach', '--no-stdin', 'kept']);
    const { ID } = stored(box, 'kept')!;
    await eventually(
      () => eventsOf(box, ID).filter((each) => each === 'attach').length,
      (attached) => attached === 2,
    );
    expect(await box.run(['stop', 'kept'])).toMatchObject({ code: 0 });
    expect(await looker.done).toMatchObject({ code: 4 });
    await remove('kept');
  });

  it('whose monitor is killed before there is a program is given up, and not waited for', async () => {
    const live = box.start(['run', '-d', '--rm', '--break', 'launch.clone', 'base', 'true'], {
      stdin: 'open',
    });
    await live.until(/lsns -p/);
    const [monitor] = readFileSync(
      `/proc/${live.pid.toString()}/task/${live.pid.toString()}/children`,
      'utf8',
    )
      .trim()
      .split(' ');
    process.kill(Number(monitor), 'SIGKILL');
    // Its end is noticed by the same event loop that reads the next command.
    live.write('explain host.bridge\n');
    await live.until(/type bridge/);
    live.write('continue\n');
    const done = await live.done;
    expect(done.code).toBe(125);
    expect(done.stderr).toContain('the monitor of the container has ended');
    nothingOpen();
  });

  it('that was handed over, without that being written down, is waited for only once', async () => {
    const args = [
      '--name',
      'unsaid',
      '--net',
      'none',
      '--fail',
      'launch.callback:after=kill',
      'base',
      'sleep',
    ];
    expect(await box.run(['run', '-d', ...args, '1007'])).toMatchObject({ signal: 'SIGKILL' });
    const [run = ''] = readdirSync(join(box.root, 'journal/open'));
    const path = join(box.root, 'journal', run, 'journal.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, lines.filter((line) => !/"done".*"launch\.callback"/.test(line)).join('\n'));
    for (const _ of ['first', 'second'])
      expect(await box.run(['recover', '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
    expect(readFileSync(path, 'utf8').match(/"handed"/g)).toHaveLength(1);
    expect(stored(box, 'unsaid')?.State.Running).toBe(true);
    await remove('unsaid');
  });

  it('is recorded with its own exit code where its teardown was killed, also with --rm', async () => {
    const env = { TS_DOCK_FAIL: 'exit.persist:after=kill' };
    await detached('torn', ['--rm', '-i', 'base', 'sh', '-c', 'read line; exit 9'], env);
    const waits = box.start(['wait', 'torn']);
    const { ID } = stored(box, 'torn')!;
    const looker = box.start(['attach', 'torn'], { stdin: '\n' });
    expect((await looker.done).code).toBe(9);
    expect(await waits.done).toMatchObject({ code: 0, stdout: '9\n' });
    expect(stored(box, 'torn')).toBeUndefined();
    expect(eventsOf(box, ID)).toContain('die 9');
    nothingOpen();
  });

  it('takes one start of two', async () => {
    await box.run(['create', '--name', 'twice', '--net', 'none', 'base', 'sleep', '1005']);
    const both = await Promise.all([box.run(['start', 'twice']), box.run(['start', 'twice'])]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 125]);
    expect(both.find(({ code }) => code === 125)?.stderr).toContain('Container already started');
    expect(stored(box, 'twice')?.State.Running).toBe(true);
    await remove('twice');
  });

  it('is removed by force while its own teardown is at it', async () => {
    // The later it comes, the more of the teardown is done.
    for (const flags of [[], ['--rm'], ['--rm'], ['--rm'], ['--rm']]) {
      const { name, program } = await remote(flags);
      program.end();
      const done = await box.run(['rm', '-f', name]);
      program.close();
      // Who came too late found nothing.
      if (flags.length === 0) expect(done).toMatchObject({ code: 0, stderr: '' });
      else if (done.code !== 0) expect(done.stderr).toContain('No such container');
      expect(stored(box, name)).toBeUndefined();
      await eventually(
        () => readdirSync(join(box.root, 'journal/open')),
        (open) => open.length === 0,
      );
    }
  });

  it.skipIf(skipUnlessProgram('gcc'))(
    'that defeats the parent-death signal is ended by its cgroup',
    async () => {
      const folder = join(box.folder, 'stubborn');
      mkdirSync(folder);
      writeFileSync(
        join(folder, 'main.c'),
        '#include <sys/prctl.h>\n#include <signal.h>\n#include <unistd.h>\nint main(void) { prctl(PR_SET_PDEATHSIG, 0); signal(SIGTERM, SIG_IGN); write(1, "deaf\\n", 5); for (;;) pause(); }\n',
      );
      execFileSync('gcc', ['-static', '-o', join(folder, 'main'), join(folder, 'main.c')]);
      for (const rm of [[], ['--rm']]) {
        await detached('stubborn', [...rm, '-v', `${folder}:/stubborn`, 'base', '/stubborn/main']);
        await eventually(
          () => box.run(['logs', 'stubborn']),
          ({ stdout }) => stdout === 'deaf\n',
        );
        const pid = pidOf('stubborn');
        const monitor = parentOf(pid);
        process.kill(monitor, 'SIGKILL');
        await eventually(
          () => lives(monitor),
          (there) => !there,
        );
        expect(lives(pid)).toBe(true);
        expect(JSON.parse((await box.run(['recover', '--json'])).stdout)).toHaveLength(1);
        expect(lives(pid)).toBe(false);
        nothingOpen();
        expect(stored(box, 'stubborn')?.State.ExitCode).toBe(rm.length === 0 ? 255 : undefined);
        if (rm.length === 0) await remove('stubborn');
      }
    },
  );

  describe('between two lives of its restart policy', () => {
    /** Waits so long that nobody sees the end of it. */
    const backingOff = async (name: string): Promise<void> => {
      await detached(name, ['--restart', 'always', 'base', 'sh', '-c', 'exit 3']);
      await state(box, name, ({ Restarting }) => Restarting);
      for (
        let lifetime = stored(box, name)!.RestartCount;
        lifetime < 3;
        lifetime = stored(box, name)!.RestartCount
      )
        await state(
          box,
          name,
          ({ Restarting }) => Restarting && (stored(box, name)?.RestartCount ?? 0) > lifetime,
        );
    };

    it.each([[['stop', 'off']], [['kill', 'off']], [['kill', '-s', 'TERM', 'off']]])(
      '%j ends it',
      async (args) => {
        await backingOff('off');
        expect(await box.run(args)).toMatchObject({ code: 0, stdout: 'off\n', stderr: '' });
        await eventually(
          () => readdirSync(join(box.root, 'journal/open')),
          (open) => open.length === 0,
        );
        expect(stored(box, 'off')?.State).toMatchObject({
          Running: false,
          Restarting: false,
          StopRequested: true,
        });
        expect(await box.run(['rm', 'off'])).toMatchObject({ code: 0, stderr: '' });
      },
    );

    it('is not removed but by force, and nobody else starts it', async () => {
      await backingOff('off');
      const refused = await box.run(['rm', 'off']);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('cannot remove off: it is being started again');
      expect((await box.run(['start', 'off'])).stderr).toContain('Container already started');
      await remove('off');
      expect(stored(box, 'off')).toBeUndefined();
    });

    it('is told the truth about when its supervisor is killed', async () => {
      await backingOff('off');
      const [run = ''] = readdirSync(join(box.root, 'journal/open'));
      const journal = readFileSync(join(box.root, 'journal', run, 'journal.jsonl'), 'utf8');
      process.kill((JSON.parse(journal.split('\n')[0]!) as { pid: number }).pid, 'SIGKILL');
      expect((await box.run(['ps', '-a'])).stdout).toMatch(/Exited \(3\).* off/);
      expect(stored(box, 'off')?.State).toMatchObject({ Running: false, Restarting: false });
      nothingOpen();
      await remove('off');
    });
  });

  it('that cannot even be started is tried as often as its policy says', async () => {
    const env = { TS_DOCK_FAIL: 'launch.clone=error' };
    await detached('never', ['--restart', 'on-failure:2', 'base', 'false'], env);
    const { RestartCount } = await eventually(
      () => stored(box, 'never')!,
      (seen) => seen.RestartCount === 2 && !seen.State.Restarting,
    );
    // Its supervisor is gone, so there is nobody to count further.
    await eventually(
      () => readdirSync(join(box.root, 'journal/open')),
      (open) => open.length === 0,
    );
    expect(RestartCount).toBe(2);
    await remove('never');
  });

  it('is started again without whoever was attached, who gets the first exit code', async () => {
    const script = 'echo life >> /count/lives; [ $(wc -l < /count/lives) -gt 1 ] && exec sleep 1006; exit 6';
    const folder = join(box.folder, 'lives');
    mkdirSync(folder);
    const args = ['run', '--net', 'none', '--name', 'often', '--restart', 'always', '-v', `${folder}:/count`];
    const done = await box.run([...args, 'base', 'sh', '-c', script]);
    expect(done.code).toBe(6);
    expect(done.stderr).toContain('often is started again (--restart always), without you');
    await eventually(
      () => stored(box, 'often')!,
      ({ State, RestartCount }) => State.Running && RestartCount === 1,
    );
    // As urgent as anybody: only an exporter is to yield.
    expect(
      readFileSync(`/proc/${pidOf('often').toString()}/stat`, 'utf8')
        .split(') ')[1]
        ?.split(' ')[16],
    ).toBe('0');
    expect(await box.run(['stop', '-t', '0', 'often'])).toMatchObject({ code: 0, stderr: '' });
    await remove('often');
  });
});

describe.skipIf(skipUnlessRoot())('a full disk', () => {
  it('does not stop a container, whose log has a gap, and can be freed by removing it', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'ts-dock-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=700', 'tmpfs', disk]);
    const before = process.env['TS_DOCK_TEST_DIR'];
    process.env['TS_DOCK_TEST_DIR'] = disk;
    try {
      await using box = await sandbox({ manual: true });
      expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
      const folder = join(box.folder, 'rig');
      mkdirSync(folder);
      const plan = programOverFifos(folder, '/rig');
      const program = plan.connect();
      const args = ['run', '-d', '--net', 'none', '--name', 'full', '-v', `${folder}:/rig`, 'base'];
      const saving = 'exec 3>&1; ' + plan.argv[2]!;
      expect(await box.run([...args, 'sh', '-c', saving])).toMatchObject({ code: 0, stderr: '' });
      await program.say('echo before >&3');
      await program.say('dd if=/dev/zero of=/fill bs=64k 2> /dev/null');
      await program.say('dd if=/dev/zero of=/fill2 bs=1 2> /dev/null');
      const line = 'x'.repeat(1000);
      expect(
        (await program.say(`for i in 1 2 3 4 5 6 7 8 9; do echo ${line} >&3; done; echo alive`)).output,
      ).toBe('alive\n');
      await program.say('rm /fill /fill2; echo after >&3');
      await eventually(
        () => box.run(['logs', 'full']),
        ({ stdout }) => stdout.endsWith('after\n') && stdout.startsWith('before\n'),
      );
      await program.say(
        'dd if=/dev/zero of=/fill bs=64k 2> /dev/null; dd if=/dev/zero of=/fill2 bs=1 2> /dev/null',
      );
      program.end(7);
      program.close();
      const removed = await eventually(
        () => box.run(['rm', '-f', 'full']),
        ({ code }) => code === 0,
      );
      expect(removed.stdout).toBe('full\n');
    } finally {
      if (before === undefined) delete process.env['TS_DOCK_TEST_DIR'];
      else process.env['TS_DOCK_TEST_DIR'] = before;
      execFileSync('umount', ['-l', disk]);
      rmSync(disk, { recursive: true });
    }
  });
});
