/** The debugger's shell: where it is at which stop, what it may do, and that nothing of it stays. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { terminal } from '../cli/tmux.ts';
import { settle, takeCensus } from '../rig/census.ts';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');

describe.skipIf(skipUnlessRoot())('shell at a breakpoint', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect((await box.run(['run', '--rm', 'base', 'true'])).code).toBe(0);
  });
  afterAll(() => box.dispose());

  /** One command at one stop; what it wrote. The run goes to its end. */
  const at = async (stop: string, line: string): Promise<string> => {
    const done = await box.run(['run', '--rm', '--name', 'half', '--break', stop, 'base', 'echo', 'whole'], {
      stdin: `shell ${line}\nc\n`,
    });
    expect(done).toMatchObject({ code: 0, stdout: 'whole\n' });
    return spoken(done);
  };
  const spoken = ({ stderr }: Done): string =>
    /\(ts-dock\) shell [^\n]*\n([^]*?)\n\(ts-dock\)/.exec(stderr)?.[1]?.replace(/^ {2}/gm, '') ?? stderr;

  test('before the clone it is on the host, and knows the run', async () => {
    const said = await at(
      'launch.clone',
      'readlink /proc/self/ns/mnt; echo "$TS_DOCK_NAME $TS_DOCK_STEP $TS_DOCK_ROOT ${#TS_DOCK_ID} pid=$TS_DOCK_PID"; ls $TS_DOCK_ROOTFS/bin/sh',
    );
    const [mounts, facts, program] = said.split('\n');
    expect(mounts).toBe(execFileSync('readlink', ['/proc/self/ns/mnt'], { encoding: 'utf8' }).trim());
    expect(facts).toBe(`half launch.clone ${box.root} 64 pid=`);
    expect(program).toMatch(/bin\/sh$/);
  });

  test('before the pivot it is in the namespaces, and sees the host’s tree', async () => {
    const said = await at(
      'init.mount-private',
      'hostname; ls -d /root /proc/1; cat /sys/class/net/*/address; ls -d /work 2>/dev/null; kill -9 1; echo alive $$',
    );
    expect(said).toContain('/root');
    expect(said).toMatch(/alive \d+$/m);
  });

  test('before /proc is there', async () => {
    expect(await at('init.bind-rootfs', 'echo here; echo $$')).toMatch(/^here\n\d+$/);
  });

  test('after the pivot it is the image’s shell, and may do what the container’s root may', async () => {
    const said = await at(
      'init.pivot:after',
      'grep -E "^(Cap|NoNew|Seccomp:)" /proc/self/status; mknod /tmp/disk b 8 0 && head -c 1 /tmp/disk; mount -t tmpfs none /mnt; kill -9 1; for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo open $n; done; ls -d /work /lost 2>&1',
    );
    const status = Object.fromEntries(
      [...said.matchAll(/^(\w+):\s+(\w+)$/gm)].map(([, key = '', value = '']) => [key, value]),
    );
    expect(status).toMatchObject({ CapEff: '00000000a80425fb', CapBnd: '00000000a80425fb' });
    expect(status).toMatchObject({ CapInh: '0000000000000000', NoNewPrivs: '1', Seccomp: '2' });
    expect(said).toMatch(/disk: (Permission denied|Operation not permitted)/);
    expect(said).toMatch(/mount.*(denied|not permitted)/);
    expect(said).not.toMatch(/^open/m);
    expect(said).toMatch(/\/work.*No such file/);
  });

  test('after the end of the container it is on the host again', async () => {
    expect(await at('exit.persist', 'readlink /proc/self/ns/pid')).toBe(
      execFileSync('readlink', ['/proc/self/ns/pid'], { encoding: 'utf8' }).trim(),
    );
  });

  test('exit codes and mistakes are said, a script gets no whole shell', async () => {
    const done = await box.run(['run', '--rm', '--break', 'launch.clone', 'base', 'true'], {
      stdin: 's exit 3\ns kill -9 $$\ns no-such-thing\ns\nc\n',
    });
    expect(done.code).toBe(0);
    expect(done.stderr).toContain('the command ended with 3');
    expect(done.stderr).toContain('the command ended with 137');
    expect(done.stderr).toContain('the command ended with 127');
    expect(done.stderr).toContain('a shell needs a person at a terminal');
  });

  test('what the image’s programs write is made harmless', async () => {
    const done = await box.run(['run', '--rm', '--break', 'init.restrict', 'base', 'true'], {
      stdin: "s printf '\\033[31mred\\n'\nc\n",
    });
    expect(done.stderr).toContain('\\e[31mred');
    expect(done.stderr).not.toContain('\u001b[31m');
  });

  test.each(['launch.clone', 'init.mount-private', 'init.restrict'])(
    'what it leaves behind at %s is ended',
    async (stop) => {
      const before = takeCensus({});
      const said = await at(stop, '(setsid sleep 4321 &); sleep 4322 & echo left');
      expect(said).toBe('left');
      expect(await settle(before, () => takeCensus({}))).toEqual([]);
      expect(execFileSync('ps', ['ax'], { encoding: 'utf8' })).not.toMatch(/sleep 432/);
    },
  );

  test('ts-dock killed while a command runs: nobody stays', async () => {
    const before = takeCensus({});
    const marker = join(box.folder, 'marker');
    const live = box.start(['run', '--rm', '--break', 'launch.clone', 'base', 'true'], { stdin: 'open' });
    live.write(`s setsid sleep 4323 & touch ${marker}; sleep 4324\n`);
    await expect.poll(() => execFileSync('ps', ['ax'], { encoding: 'utf8' })).toMatch(/sleep 4324/);
    live.child.kill('SIGKILL');
    await live.done;
    expect((await box.run(['recover'])).code).toBe(0);
    expect(await settle(before, () => takeCensus({}))).toEqual([]);
  });

  test('a signal ends it, and the run', async () => {
    const live = box.start(['run', '--rm', '--break', 'init.restrict', 'base', 'true'], { stdin: 'open' });
    live.write('s sleep 4325\n');
    await expect.poll(() => execFileSync('ps', ['ax'], { encoding: 'utf8' })).toMatch(/sleep 4325/);
    live.child.kill('SIGTERM');
    expect((await live.done).code).toBe(143);
    expect(execFileSync('ps', ['ax'], { encoding: 'utf8' })).not.toMatch(/sleep 4325/);
  });

  test.skipIf(skipUnlessProgram('tmux'))(
    'a person: a terminal of its own, ^C within it, then the prompt again',
    async () => {
      const screen = terminal(
        `stty -g > ${box.folder}/before; ${process.execPath} ${bundle} --root ${box.root} run --rm --break init.restrict base echo whole; echo "status $?"; stty -g > ${box.folder}/after; echo over`,
        {},
        [90, 40],
      );
      await screen.until(/\(ts-dock\) init\.restrict> *$/m);
      screen.keys('s', 'Enter');
      await screen.until(/^\/ # *$/m);
      screen.keys('stty size; hostname | wc -c', 'Enter');
      await screen.until(/^40 90\n13$/m);
      screen.keys('(echo begun | tr b B; exec sleep 4326)', 'Enter');
      await screen.until(/^Begun$/m);
      screen.keys('C-c');
      screen.keys('sleep 4327 &', 'Enter');
      screen.keys('exit 4', 'Enter');
      await screen.until(/the shell ended with 4[^]*\(ts-dock\) init\.restrict> *$/m);
      expect(execFileSync('ps', ['ax'], { encoding: 'utf8' })).not.toMatch(/sleep 432/);
      screen.keys('c', 'Enter');
      const seen = await screen.until(/^over/m);
      expect(seen).toMatch(/^whole$/m);
      expect(seen).toMatch(/status 0/);
      expect(readFileSync(join(box.folder, 'after'), 'utf8')).toBe(
        readFileSync(join(box.folder, 'before'), 'utf8'),
      );
    },
  );

  test('a command file can hold it too', async () => {
    const file = join(box.folder, 'commands');
    writeFileSync(file, 'shell echo from a file\nc\n');
    const done = await box.run(
      ['run', '--rm', '-i', '--break', 'launch.clone', '--step-commands', file, 'base', 'cat'],
      {
        stdin: 'typed',
      },
    );
    expect(done).toMatchObject({ code: 0, stdout: 'typed' });
    expect(done.stderr).toContain('from a file');
  });
});
