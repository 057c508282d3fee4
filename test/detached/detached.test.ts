/** Containers that outlive the command that started them: the monitor, the log, attaching, restart policies, and who is killed when. */
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programOverFifos, type Program } from '../rig/program.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { eventually } from './eventually.ts';

interface Inspected {
  readonly ID: string;
  readonly RestartCount: number;
  readonly State: { Running: boolean; Restarting: boolean; Pid: number; ExitCode: number };
}

describe.skipIf(skipUnlessRoot())('a container left running', () => {
  let box: Sandbox;
  let count = 0;

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    await box.run(['run', '--rm', 'base', 'true']);
  });
  afterAll(() => box.dispose());

  const inspect = async (name: string): Promise<Inspected> =>
    (JSON.parse((await box.run(['inspect', name])).stdout) as Inspected[])[0]!;
  const ended = (name: string): Promise<Inspected> =>
    eventually(
      () => inspect(name),
      ({ State }) => !State.Running && !State.Restarting,
    );
  const sh = (script: string): string[] => ['base', 'sh', '-c', script];
  const detached = async (...args: string[]): Promise<string> => {
    const done = await box.run(['run', '-d', ...args]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    return done.stdout.trim();
  };
  /** A detached container that does what the test says. */
  const remote = async (...options: string[]): Promise<{ id: string; program: Program; name: string }> => {
    const name = `remote${(count += 1).toString()}`;
    const folder = join(box.folder, name);
    mkdirSync(folder);
    const plan = programOverFifos(folder, '/rig');
    const program = plan.connect();
    const id = await detached('--name', name, '-v', `${folder}:/rig`, ...options, 'base', ...plan.argv);
    return { id, program, name };
  };
  const monitorOf = (pid: number): number =>
    Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid.toString()}/status`, 'utf8'))?.[1]);

  it('prints its id, runs on, and is recorded when it ends', async () => {
    const { id, program, name } = await remote();
    expect((await program.say('echo inside')).output).toContain('inside');
    const running = await inspect(name);
    expect(running).toMatchObject({ ID: id, State: { Running: true } });
    const monitor = monitorOf(running.State.Pid);
    expect(readFileSync(`/proc/${monitor.toString()}/comm`, 'utf8')).toBe('ts-dock-monitor\n');
    expect((await box.run(['ps'])).stdout).toMatch(new RegExp(`Up .* ${name}`));
    program.end(7);
    program.close();
    expect((await ended(name)).State).toMatchObject({ ExitCode: 7, Pid: 0 });
    await eventually(
      () => existsSync(`/proc/${monitor.toString()}`),
      (there) => !there,
    );
    expect(await box.run(['rm', name])).toMatchObject({ code: 0, stderr: '' });
  });

  it('says what cannot be executed, with the exit codes of the foreground', async () => {
    expect(await box.run(['run', '-d', '--rm', 'base', 'no-such-program'])).toMatchObject({
      code: 127,
      stdout: '',
    });
    expect(await box.run(['run', '-d', '--rm', 'base', '/etc'])).toMatchObject({ code: 126, stdout: '' });
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });

  it('goes with --rm when it ends', async () => {
    const { id, program } = await remote('--rm');
    program.end();
    program.close();
    await eventually(
      () => existsSync(join(box.root, 'containers', id)),
      (there) => !there,
    );
    await eventually(
      () => readdirSync(join(box.root, 'journal/open')),
      (open) => open.length === 0,
    );
  });

  it('is logged in the format of Docker, and shown by logs', async () => {
    const name = 'logged';
    await detached('--name', name, ...sh('echo one; echo two >&2; printf three; exit 3'));
    const { ID } = await ended(name);
    const lines = readFileSync(join(box.root, 'containers', ID, `${ID}-json.log`), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(lines.filter(({ stream }) => stream === 'stdout').map(({ log }) => log)).toEqual([
      'one\n',
      'three',
    ]);
    expect(lines.filter(({ stream }) => stream === 'stderr').map(({ log }) => log)).toEqual(['two\n']);
    for (const { time } of lines) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);

    expect(await box.run(['logs', name])).toMatchObject({ code: 0, stdout: 'one\nthree', stderr: 'two\n' });
    expect((await box.run(['logs', '--tail', '1', name])).stdout).toBe('three');
    expect((await box.run(['logs', '-t', '--tail', '1', name])).stdout).toMatch(/^\S+Z three$/);
    expect((await box.run(['logs', '--since', '2999-01-01T00:00:00Z', name])).stdout).toBe('');
    expect((await box.run(['logs', '--since', '1h', name])).stdout).toBe('one\nthree');
    const wrong = await box.run(['logs', '--since', 'yesterday', name]);
    expect(wrong).toMatchObject({ code: 125 });
    expect(wrong.stderr).toContain('such as 10m (ago)');
    expect(await box.run(['rm', name])).toMatchObject({ code: 0, stderr: '' });
  });

  it('is followed until its end', async () => {
    const { program, name } = await remote();
    await program.say('echo first > /proc/1/fd/1; true');
    const follower = box.start(['logs', '-f', name]);
    program.end(0);
    program.close();
    expect((await follower.done).code).toBe(0);
    expect(await box.run(['rm', name])).toMatchObject({ code: 0, stderr: '' });
  });

  it('says why there is no log', async () => {
    await box.run(['create', '--name', 'silent', 'base', 'true']);
    const none = await box.run(['logs', 'silent']);
    expect(none.code).toBe(125);
    expect(none.stderr).toContain('It has never run');
    expect(await box.run(['rm', 'silent'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('can be attached to, told something, and tells how it ended', async () => {
    await detached('-i', '--name', 'talk', ...sh('while read line; do echo "got $line"; done; exit 9'));
    const one = box.start(['attach', 'talk'], { stdin: 'open' });
    const two = box.start(['attach', '--no-stdin', 'talk']);
    one.write('hello\n');
    await one.until(/got hello/);
    await eventually(
      () => box.run(['logs', 'talk']),
      ({ stdout }) => stdout.includes('got hello'),
    );
    one.child.stdin?.end();
    expect(await one.done).toMatchObject({ code: 9 });
    expect((await two.done).code).toBe(9);
    expect(await box.run(['rm', 'talk'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('starts again detached, and its log goes on', async () => {
    await detached('--name', 'again', ...sh('echo line'));
    await ended('again');
    expect(await box.run(['start', 'again'])).toMatchObject({ code: 0, stdout: 'again\n' });
    await ended('again');
    expect((await box.run(['logs', 'again'])).stdout).toBe('line\nline\n');
    expect(await box.run(['rm', 'again'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends with its monitor, and the next command says so', async () => {
    const { name, program } = await remote();
    const { State } = await inspect(name);
    process.kill(monitorOf(State.Pid), 'SIGKILL');
    await eventually(
      () => existsSync(`/proc/${State.Pid.toString()}`),
      (there) => !there,
    );
    program.close();
    const next = await box.run(['ps', '-a']);
    expect(next.stdout).toMatch(new RegExp(`Exited \\(255\\).* ${name}`));
    expect(await box.run(['rm', name])).toMatchObject({ code: 0, stderr: '' });
  });

  it('is recorded with its own exit code where only its process is killed', async () => {
    const { name, program } = await remote();
    const { State } = await inspect(name);
    process.kill(State.Pid, 'SIGKILL');
    expect((await ended(name)).State.ExitCode).toBe(137);
    program.close();
    expect(await box.run(['rm', name])).toMatchObject({ code: 0, stderr: '' });
  });

  it.each(['launch.monitor', 'launch.clone', 'init.pivot', 'launch.save-state'])(
    'leaves nothing when ts-dock is killed after %s',
    async (step) => {
      const killed = await box.run(['run', '-d', '--rm', '--fail', `${step}:after=kill`, ...sh('read line')]);
      expect(killed.signal).toBe('SIGKILL');
      expect(JSON.parse((await box.run(['recover', '--json'])).stdout)).toHaveLength(1);
      expect(JSON.parse((await box.run(['ps', '-a', '--json'])).stdout)).toEqual([]);
      expect(readdirSync(join(box.root, 'journal/open'))).toEqual([]);
    },
  );

  it('lives on when ts-dock is killed after it was handed over', async () => {
    const killed = await box.run([
      'run',
      '-d',
      '--name',
      'handed',
      '--fail',
      'launch.callback:after=kill',
      '-i',
      ...sh('read line'),
    ]);
    expect(killed.signal).toBe('SIGKILL');
    expect(JSON.parse((await box.run(['recover', '--json'])).stdout)).toEqual([]);
    expect((await inspect('handed')).State.Running).toBe(true);
    const looker = box.start(['attach', 'handed'], { stdin: '\n' });
    expect((await looker.done).code).toBe(0);
    await ended('handed');
    expect(await box.run(['rm', 'handed'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('is stepped through until it runs', async () => {
    const done = await box.run(
      ['run', '-d', '--name', 'stepped', '--break', 'launch.monitor:after', ...sh('exit 5')],
      {
        stdin: 'calls\ncontinue\n',
      },
    );
    expect(done.code).toBe(0);
    expect(done.stderr).toContain('ts-dock-monitor');
    expect((await ended('stepped')).State.ExitCode).toBe(5);
    expect(await box.run(['rm', 'stepped'])).toMatchObject({ code: 0, stderr: '' });
  });
});

describe.skipIf(skipUnlessRoot())('a restart policy', () => {
  it('starts it again as often as it says, and no more', async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    const folder = join(box.folder, 'count');
    mkdirSync(folder);
    const script = 'echo run >> /count/runs; exit 1';
    const args = ['--restart', 'on-failure:2', '-v', `${folder}:/count`, 'base', 'sh', '-c', script];
    expect(await box.run(['run', '-d', '--name', 'often', ...args])).toMatchObject({ code: 0, stderr: '' });
    const settled = await eventually(
      async () => (JSON.parse((await box.run(['inspect', 'often'])).stdout) as Inspected[])[0]!,
      ({ RestartCount, State }) => RestartCount === 2 && !State.Running && !State.Restarting,
    );
    expect(settled.State.ExitCode).toBe(1);
    expect(readFileSync(join(folder, 'runs'), 'utf8')).toBe('run\nrun\nrun\n');
  });

  it('is refused together with --rm', async () => {
    const box = await sandbox();
    const both = await box.run(['run', '--rm', '--restart', 'always', 'base', 'true']);
    expect(both.code).toBe(125);
    expect(both.stderr).toContain('--rm together with --restart');
  });
});
