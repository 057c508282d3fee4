/** `ts-dock exec` as a user has it: what the program is, what it may do, how it ends, what is refused. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Done } from '../rig/sandbox.ts';
import { eventsOf } from '../life/rig.ts';
import { sandbox, type RunOptions, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { expectUnharmed, living, type Living } from './living.ts';

describe.skipIf(skipUnlessRoot())('exec', () => {
  let box: Sandbox;
  let web: Living;
  const exec = (args: readonly string[], options?: RunOptions): Promise<Done> =>
    box.run(['exec', ...args], options);

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    web = await living(box, 'web', [
      '-e',
      'GREETING=from the container',
      '-e',
      'BOTH=container',
      '-w',
      '/tmp',
    ]);
  });
  afterAll(async () => {
    expectUnharmed(web);
    expect(await web.end()).toBe(0);
    await box.dispose();
  });
  const clean = async (): Promise<void> => {
    await web.alone();
    expect(readdirSync(join(box.root, 'journal/open')).filter((name) => !name.startsWith('.'))).toHaveLength(
      1,
    );
    expect(readdirSync(join(box.root, 'execdriver/native', web.id)).sort()).toEqual([
      'container.json',
      'state.json',
    ]);
  };

  test('output, error output and exit code are the program’s', async () => {
    expect(await exec(['web', 'sh', '-c', 'echo out; echo err >&2; exit 7'])).toMatchObject({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(eventsOf(box, web.id).slice(-3)).toEqual([
      'exec_create sh -c echo out; echo err >&2; exit 7',
      'exec_start',
      'exec_die 7',
    ]);
    await clean();
  });

  test.each([
    ['killed by a signal', ['sh', '-c', 'kill -KILL $$'], 137],
    ['not found', ['no-such-program'], 127],
    ['a directory', ['/etc'], 126],
    ['not executable', ['/etc/passwd'], 126],
    ['the largest', ['sh', '-c', 'exit 255'], 255],
  ])('exit code: %s', async (_, argv, code) => {
    expect((await exec(['web', ...argv])).code).toBe(code);
    await clean();
  });

  test('-i passes standard input on, without it there is none', async () => {
    expect(await exec(['-i', 'web', 'cat'], { stdin: 'typed' })).toMatchObject({ code: 0, stdout: 'typed' });
    expect(await exec(['web', 'cat'], { stdin: 'typed' })).toMatchObject({ code: 0, stdout: '' });
  });

  test('user, directory and variables: the container’s, unless others are asked for', async () => {
    const show = ['sh', '-c', 'id -u; pwd; echo $GREETING; echo $BOTH; echo $HOME'];
    expect((await exec(['web', ...show])).stdout.split('\n').slice(0, 5)).toEqual([
      '0',
      '/tmp',
      'from the container',
      'container',
      '/root',
    ]);
    const file = join(box.folder, 'env');
    writeFileSync(file, 'FILE=yes\nBOTH=file\n');
    const asked = ['-u', 'nobody', '-w', '/etc', '-e', 'BOTH=here', '--env-file', file, 'web'];
    expect(
      (await exec([...asked, 'sh', '-c', 'id -u; pwd; echo $GREETING; echo $BOTH; echo $FILE'])).stdout,
    ).toBe('65534\n/etc\nfrom the container\nhere\nyes\n');
  });

  test('it is in the namespaces and cgroups of the first process, with its rights', async () => {
    const look = (pid: string): string =>
      `for n in ipc mnt net pid uts; do readlink /proc/${pid}/ns/$n; done; cat /proc/${pid}/cgroup; grep -E "^(Cap|Seccomp|NoNew|Uid|Gid|Groups)" /proc/${pid}/status`;
    const theirs = await web.program.say(look('1'));
    const ours = await exec(['web', 'sh', '-c', look('$$')]);
    expect(ours.stdout).toBe(theirs.output);
    expect(ours.stdout).toContain('Seccomp:\t2');
  });

  test('what is masked is masked, and nothing but three descriptors is open', async () => {
    expect((await exec(['web', 'cat', '/proc/keys'])).stdout).toBe('');
    expect((await exec(['web', 'sh', '-c', 'echo 1 > /proc/sysrq-trigger'])).code).not.toBe(0);
    const open = 'for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; done; true';
    expect((await exec(['web', 'sh', '-c', open])).stdout).toBe('0\n1\n2\n');
  });

  test('a signal is passed on', async () => {
    const live = box.start([
      'exec',
      'web',
      'sh',
      '-c',
      'trap "echo struck; exit 3" TERM; echo ready; while :; do sleep 0.05; done',
    ]);
    await live.until(/ready/);
    live.child.kill('SIGTERM');
    expect(await live.done).toMatchObject({ code: 3, stdout: 'ready\nstruck\n' });
    await clean();
  });

  test('ts-dock killed: the program ends with it, and the next command settles the rest', async () => {
    const live = box.start(['exec', 'web', 'sh', '-c', 'echo ready; exec sleep 1000']);
    await live.until(/ready/);
    expect(web.members()).toHaveLength(2);
    live.child.kill('SIGKILL');
    await live.done;
    await web.alone();
    expect((await box.run(['recover'])).code).toBe(0);
    await clean();
    expectUnharmed(web);
  });

  test('-d leaves when the program runs, and recovery leaves it alone', async () => {
    expect(await exec(['-d', 'web', 'sleep', '1001'])).toMatchObject({ code: 0, stdout: '' });
    expect(web.members()).toHaveLength(2);
    expect((await box.run(['recover'])).code).toBe(0);
    const fds = await web.program.say(
      'for f in /proc/[0-9]*; do grep -q sleep $f/comm && ls -l $f/fd; done 2>/dev/null | grep -c /dev/null',
    );
    expect(fds.output.trim()).toBe('3');
    expect((await exec(['-d', 'web', 'no-such-program'])).code).toBe(127);
    expect((await exec(['web', 'killall', 'sleep'])).code).toBe(0);
    await clean();
  });

  test.each([
    [['-d', '-t', 'web', 'true'], /--detach together with --tty/],
    [['-it', 'web', 'true'], /the input device is not a TTY/],
    [['-u', 'a b', 'web', 'true'], /--user/],
    [['-w', 'tmp', 'web', 'true'], /--workdir/],
    [['--detach-keys', 'ctrl-', 'web', 'true'], /--detach-keys/],
    [['web', ''], /COMMAND/],
    [['nobody-there', 'true'], /No such container: nobody-there/],
    [['-u', 'stranger', 'web', 'true'], /unable to find user stranger/],
    [['-w', '/nowhere', 'web', 'true'], /working directory \/nowhere/],
    [['--break', 'exec.nothing', 'web', 'true'], /exec\.nothing/],
  ])('refused: %j', async (args, why) => {
    const refused = await exec(args);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toMatch(why);
    await clean();
  });

  test('a container that does not run is refused', async () => {
    const { stdout } = await box.run(['create', '--name', 'idle', 'base', 'true']);
    const refused = await exec(['idle', 'true']);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('cannot join idle: the container is not running');
    expect((await box.run(['rm', stdout.trim()])).code).toBe(0);
  });

  test('a paused container is refused, and is left paused', async () => {
    const { freezer, unified } = web.state.cgroup_paths;
    const [file, on, off] =
      freezer === undefined
        ? [join(unified!, 'cgroup.freeze'), '1', '0']
        : [join(freezer, 'freezer.state'), 'FROZEN', 'THAWED'];
    writeFileSync(file, on);
    try {
      const refused = await exec(['web', 'true']);
      expect(refused.code).toBe(125);
      expect(refused.stderr).toContain('it is paused');
      expect(readFileSync(file, 'utf8').trim()).toBe(on);
    } finally {
      writeFileSync(file, off);
    }
    expect((await exec(['web', 'true'])).code).toBe(0);
  });

  test('stepping: stops, shows cards and changes, goes on', async () => {
    const stepped = await exec(['--break', 'exec.join-mounts', 'web', 'echo', 'done'], {
      stdin: 'explain\nn\ndiff\nk\nb exec.chdir\nc\ndump process\nc\n',
    });
    expect(stepped).toMatchObject({ code: 0, stdout: 'done\n' });
    expect(stepped.stderr).toContain('Join the mount namespace');
    expect(stepped.stderr).toMatch(/setns\(4, CLONE_NEWNS\)/);
    expect(stepped.stderr).toMatch(/program\s+memfd:dockerinit|\/memfd:dockerinit/);
    await clean();
  });

  test('quit in the middle leaves nothing', async () => {
    expect((await exec(['--break', 'exec.user', 'web', 'true'], { stdin: 'q\n' })).code).toBe(0);
    await clean();
  });

  test('--dump and --trace', async () => {
    const folder = join(box.folder, 'look');
    const dumped = await exec(['--trace', '--dump', folder, 'web', 'true']);
    expect(dumped.code).toBe(0);
    expect(dumped.stderr).toMatch(/join-namespaces/);
    expect(existsSync(folder)).toBe(true);
    expect(readdirSync(folder).some((name) => name.includes('exec.fork'))).toBe(true);
  });

  test('ten at once', async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, i) => exec(['web', 'sh', '-c', `echo ${i}; exit ${i}`])),
    );
    expect(all.map(({ code, stdout }) => [code, stdout])).toEqual(
      Array.from({ length: 10 }, (_, i) => [i, `${i}\n`]),
    );
    await clean();
  });

  test('when the container ends, what was executed ends with it', async () => {
    const short = await living(box, 'short');
    const live = box.start(['exec', 'short', 'sh', '-c', 'echo ready; exec sleep 1000']);
    await live.until(/ready/);
    expect((await exec(['-d', 'short', 'sleep', '1002'])).code).toBe(0);
    const members = short.members();
    expect(members).toHaveLength(3);
    expect(await short.end()).toBe(0);
    expect((await live.done).code).toBe(137);
    for (const pid of members) expect(existsSync(`/proc/${pid}/ns/pid`)).toBe(false);
  });

  test('a step that stands still does not keep the container from ending', async () => {
    const short = await living(box, 'stopped');
    const live = box.start(['exec', '--break', 'exec.chdir', 'stopped', 'true'], { stdin: 'open' });
    await live.until(/exec\.chdir/);
    expect(await short.end()).toBe(0);
    live.write('c\n');
    expect((await live.done).code).toBe(125);
  });
});

describe('steps of exec', () => {
  test('are listed and explained without root', async () => {
    const box = await sandbox();
    expect((await box.run(['steps', 'exec'])).stdout).toMatch(/exec\.join-mounts/);
    expect(JSON.parse((await box.run(['steps', 'exec', '--json'])).stdout)).toHaveLength(27);
    expect((await box.run(['steps'])).stdout).not.toMatch(/exec\.join-mounts/);
    expect((await box.run(['explain', 'exec.fork'])).stdout).toContain('CLONE_PARENT');
    expect((await box.run(['explain', 'exec'])).stdout).toContain('stage exec');
    expect(await box.run(['steps', 'nothing'])).toMatchObject({ code: 125 });
  });
});
