/** `run` as its users know it from Docker: exit codes, options, signals, names. Real containers on the embedded image. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const sh = (script: string): string[] => ['base', 'sh', '-c', script];

describe.skipIf(skipUnlessRoot())('run', () => {
  it.each([
    ['true', 0],
    ['exit 7', 7],
    ['exit 255', 255],
  ])('ends as the program ends: %s', async (script, code) => {
    const box = await sandbox();
    expect((await box.run(['run', '--rm', ...sh(script)])).code).toBe(code);
  });

  it.each([
    [['base', 'no-such-program'], 127, 'not found'],
    [['base', '/no/such/program'], 127, '/no/such/program'],
    [['base', '/etc/passwd'], 126, '/etc/passwd'],
    [['base', '/etc'], 126, '/etc'],
    [['--pull', 'never', 'nobody-made-this', 'true'], 125, 'No such image: nobody-made-this'],
    [['-m', '4k', 'base', 'true'], 125, 'Minimum memory limit allowed is 512k'],
    [['-v', '/no/such/source:/x', 'base', 'true'], 125, '/no/such/source'],
    [['-v', '/tmp:/proc/x', 'base', 'true'], 125, '/proc'],
    [['--fail', 'start.nothing=error', 'base', 'true'], 125, 'start.nothing'],
    [['--break', 'init.pivto', 'base', 'true'], 125, 'init.pivot'],
    [['--no-such-option', 'base', 'true'], 125, 'no-such-option'],
    [['-h', 'x'.repeat(65), 'base', 'true'], 125, 'at most 64 characters'],
    [['-u', 'nobody-of-this-name', 'base', 'true'], 125, 'nobody-of-this-name'],
    [['-w', '/etc/passwd', 'base', 'true'], 125, 'not a directory'],
  ])('refuses %j with its reason, and leaves no container', async (args, code, words) => {
    const box = await sandbox();
    const done = await box.run(['run', '--rm', ...args]);
    expect(done).toMatchObject({ code, stdout: '' });
    expect(done.stderr).toContain(words);
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });

  it('is as quiet as docker run', async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    expect(await box.run(['run', '--rm', 'base', 'echo', 'hello'])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
      stderr: '',
    });
  });

  it('puts the program into a world of its own', async () => {
    const box = await sandbox();
    const { stdout } = await box.run([
      'run',
      '--rm',
      '-h',
      'inside',
      ...sh(
        'echo $$; hostname; ls /proc | grep -c "^[0-9]"; cat /proc/net/dev | grep -c eth0; ls -l /proc/self/fd | wc -l',
      ),
    ]);
    // ls itself has 0, 1, 2 and the folder that it reads; the first line is a total.
    expect(stdout.trim().split('\n')).toEqual([
      '1',
      'inside',
      expect.stringMatching(/^[23]$/) as string,
      '1',
      '5',
    ]);
  });

  it('has the environment, folder and user that it is given', async () => {
    const box = await sandbox();
    const file = join(box.folder, 'env');
    writeFileSync(file, '# a comment\nFROM_FILE=a b\n');
    const { stdout } = await box.run(
      [
        'run',
        '--rm',
        '-e',
        'A=1',
        '-e',
        'OURS',
        '--env-file',
        file,
        '-w',
        '/some/where',
        '-u',
        '4242:4243',
        ...sh(
          'echo "$A|$OURS|$FROM_FILE|$PWD|$(id -u):$(id -g)|$HOME|$HOSTNAME" | sed "s/[0-9a-f]\\{12\\}$/ID/"',
        ),
      ],
      { env: { OURS: 'from here' } },
    );
    expect(stdout).toBe('1|from here|a b|/some/where|4242:4243|/|ID\n');
  });

  it('takes digits for a number, whatever the image calls so', async () => {
    const box = await sandbox();
    const passwd = join(box.folder, 'passwd');
    writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\n1000:x:0:0::/root:/bin/sh\n');
    expect(
      (await box.run(['run', '--rm', '-u', '1000', '-v', `${passwd}:/etc/passwd:ro`, 'base', 'id', '-u']))
        .stdout,
    ).toBe('1000\n');
  });

  it('mounts volumes, read-only down to what is mounted beneath', async () => {
    const box = await sandbox();
    const shared = join(box.folder, 'shared');
    mkdirSync(shared);
    writeFileSync(join(shared, 'file'), 'from the host');
    const script = 'cat /rw/file; echo new > /rw/made; echo x > /ro/file || echo refused';
    const { stdout } = await box.run([
      'run',
      '--rm',
      '-v',
      `${shared}:/rw`,
      '-v',
      `${shared}:/ro:ro`,
      ...sh(`${script} 2>/dev/null`),
    ]);
    expect(stdout).toBe('from the hostrefused\n');
    expect((await box.run(['run', '--rm', '-v', `${shared}:/rw`, 'base', 'cat', '/rw/made'])).stdout).toBe(
      'new\n',
    );
  });

  it('makes the root read-only where that is asked for', async () => {
    const box = await sandbox();
    expect(
      (
        await box.run([
          'run',
          '--rm',
          '--read-only',
          ...sh('touch /x 2>/dev/null || echo refused; echo ok > /dev/shm/y && cat /dev/shm/y'),
        ])
      ).stdout,
    ).toBe('refused\nok\n');
  });

  it('keeps fourteen capabilities of those that the host has, and what is added or dropped', async () => {
    const box = await sandbox();
    const effective = async (...options: string[]): Promise<bigint> =>
      BigInt(
        `0x${(await box.run(['run', '--rm', ...options, ...sh('grep CapEff /proc/self/status | cut -f2')])).stdout.trim()}`,
      );
    expect(await effective()).toBe(0xa80425fbn);
    expect(await effective('--cap-drop', 'all')).toBe(0n);
    expect(await effective('--cap-drop', 'all', '--cap-add', 'NET_ADMIN')).toBe(1n << 12n);
    expect(await effective('--cap-drop', 'mknod')).toBe(0xa80425fbn & ~(1n << 27n));
    expect(await effective('-u', '1000')).toBe(0n);
  });

  it.each([
    ['none', '1'],
    ['bridge', '2'],
  ])('has with --net %s %s interfaces', async (mode, count) => {
    const box = await sandbox();
    expect((await box.run(['run', '--rm', '--net', mode, ...sh('ls /sys/class/net | wc -l')])).stdout).toBe(
      `${count}\n`,
    );
  });

  it('reaches the bridge of the host', async () => {
    const box = await sandbox();
    const { stdout, stderr } = await box.run([
      'run',
      '--rm',
      ...sh(
        'gw=$(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p"); ping -c 1 -W 5 "$gw" > /dev/null && echo reached',
      ),
    ]);
    expect({ stdout, stderr }).toMatchObject({ stdout: 'reached\n' });
  });

  it('holds a memory limit, and the kernel ends what exceeds it', async () => {
    const box = await sandbox();
    const { code } = await box.run([
      'run',
      '--rm',
      '-m',
      '16m',
      '--memory-swap',
      '16m',
      ...sh('a=x; while :; do a=$a$a; done'),
    ]);
    expect(code).toBe(137);
  });

  it('sets the limits that it is asked for, as the kernel says', async () => {
    const box = await sandbox();
    const live = box.start(
      [
        'run',
        '--rm',
        '-i',
        '-m',
        '64m',
        '-c',
        '512',
        '--cpus',
        '0.5',
        '--cpuset-cpus',
        '0',
        '--pids-limit',
        '50',
        ...sh('cat /proc/self/cgroup; read line'),
      ],
      { stdin: 'open' },
    );
    const [, path = ''] = await live.until(/memory:(\/\S+)|0::(\/ts-dock\S+)/);
    expect(path).toMatch(/^\/ts-dock-[0-9a-f]{8}\/[0-9a-f]{64}$/);
    live.write('\n');
    expect((await live.done).code).toBe(0);
  });

  it('passes standard input on with -i, and nothing without', async () => {
    const box = await sandbox();
    expect((await box.run(['run', '--rm', '-i', 'base', 'cat'], { stdin: 'a line\n' })).stdout).toBe(
      'a line\n',
    );
    expect((await box.run(['run', '--rm', 'base', 'cat'], { stdin: 'a line\n' })).stdout).toBe('');
  });

  it('passes signals on, and ends what will not end at the third time', async () => {
    const box = await sandbox();
    const polite = box.start([
      'run',
      '--rm',
      ...sh('trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'),
    ]);
    await polite.until(/ready/);
    process.kill(polite.pid, 'SIGTERM');
    expect((await polite.done).code).toBe(3);

    const deaf = box.start([
      'run',
      '--rm',
      ...sh('trap "echo heard" INT; echo ready; while :; do sleep 0.05; done'),
    ]);
    await deaf.until(/ready/);
    for (const times of [1, 2]) {
      process.kill(deaf.pid, 'SIGINT');
      await deaf.until(new RegExp(`(heard\\s+){${times.toString()}}`));
    }
    process.kill(deaf.pid, 'SIGINT');
    expect((await deaf.done).code).toBe(137);
  });

  it('gives the program a place in the trace', async () => {
    const box = await sandbox();
    const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { stdout } = await box.run(['run', '--rm', ...sh('echo $TRACEPARENT')], {
      env: { TRACEPARENT: caller },
    });
    expect(stdout).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01\n$/);
    expect(stdout).not.toContain('b7ad6b7169203331');
    expect(
      (await box.run(['run', '--rm', '-e', 'TRACEPARENT=mine', ...sh('echo $TRACEPARENT')])).stdout,
    ).toBe('mine\n');
  });
});

describe.skipIf(skipUnlessRoot())('a container that stays', () => {
  it('is listed, started again, inspected and removed', async () => {
    const box = await sandbox();
    expect((await box.run(['run', '--name', 'box', ...sh('echo run >> /log; cat /log; exit 4')])).code).toBe(
      4,
    );
    expect((await box.run(['ps'])).stdout).not.toContain('box');
    expect((await box.run(['ps', '-a'])).stdout).toMatch(/Exited \(4\).* box/);
    expect(await box.run(['start', '-a', 'box'])).toMatchObject({ code: 4, stdout: 'run\nrun\n' });
    const [found] = JSON.parse((await box.run(['inspect', 'box'])).stdout) as [
      { ID: string; Name: string; State: { ExitCode: number; Running: boolean } },
    ];
    expect(found).toMatchObject({ Name: '/box', State: { ExitCode: 4, Running: false } });
    expect((await box.run(['rm', found.ID.slice(0, 8)])).code).toBe(0);
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
    const gone = await box.run(['inspect', 'box']);
    expect(gone).toMatchObject({ code: 1, stdout: '[]\n' });
  });

  it('keeps its name to itself', async () => {
    const box = await sandbox();
    await box.run(['create', '--name', 'mine', 'base', 'true']);
    const second = await box.run(['create', '--name', 'mine', 'base', 'true']);
    expect(second.code).toBe(125);
    expect(second.stderr).toContain('Conflict');
    expect(JSON.parse((await box.run(['ps', '-a', '--json'])).stdout)).toHaveLength(1);
  });

  it('has one name though eight ask for it at once', async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    const codes = await Promise.all(
      Array.from(
        { length: 8 },
        async () => (await box.run(['create', '--name', 'wanted', 'base', 'true'])).code,
      ),
    );
    expect(codes.sort()).toEqual([0, ...Array.from({ length: 7 }, () => 125)]);
  });

  it('is not started twice, nor removed while it runs', async () => {
    const box = await sandbox();
    const live = box.start(['run', '-i', '--name', 'busy', ...sh('echo ready; read line')], {
      stdin: 'open',
    });
    await live.until(/ready/);
    expect((await box.run(['ps'])).stdout).toMatch(/Up .* busy/);
    const again = await box.run(['start', 'busy']);
    expect(again.code).toBe(125);
    expect(again.stderr).toContain('already started');
    const removed = await box.run(['rm', 'busy']);
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('it is running');
    live.write('\n');
    expect((await live.done).code).toBe(0);
  });

  it('that loses its ts-dock goes on, as it has a parent of its own', async () => {
    const box = await sandbox();
    const live = box.start(['run', '-i', '--name', 'lasting', ...sh('echo begun; read line')], {
      stdin: 'open',
    });
    await live.until(/begun/);
    while (!(await box.run(['ps'])).stdout.includes('lasting')) expect(live.child.exitCode).toBeNull();
    process.kill(live.pid, 'SIGKILL');
    await live.done;
    expect((await box.run(['ps'])).stdout).toMatch(/Up .* lasting/);
    expect(await box.run(['stop', '-t', '0', 'lasting'])).toMatchObject({ code: 0 });
    expect((await box.run(['ps', '-a'])).stdout).toMatch(/Exited \(137\).* lasting/);
    expect((await box.run(['logs', 'lasting'])).stdout).toBe('begun\n');
  });

  it('that was to go with its ts-dock goes with it, and the next command says so', async () => {
    const box = await sandbox();
    const live = box.start(['run', '--rm', '--name', 'orphan', ...sh('while :; do sleep 0.1; done')]);
    // The program may run before ts-dock has written down that it does: only then is there something to set right.
    while (!(await box.run(['ps'])).stdout.includes('orphan')) expect(live.child.exitCode).toBeNull();
    process.kill(live.pid, 'SIGKILL');
    await live.done;
    const next = await box.run(['run', '--rm', 'base', 'true']);
    expect(next.code).toBe(0);
    expect(next.stderr).toContain('was killed; undid what it left behind');
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });
});

describe.skipIf(skipUnlessRoot())('many runs', () => {
  const RUNS = 300;

  it(`leave nothing and grow nothing, ${RUNS.toString()} in a row`, { timeout: 240_000 }, async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    for (let i = 0; i < RUNS; i++) expect((await box.run(['run', '--rm', 'base', 'true'])).code).toBe(0);
    expect((await box.run(['recover', '--json'])).stdout).toBe('[]\n');
    const { readdirSync, statSync } = await import('node:fs');
    const journals = readdirSync(join(box.root, 'journal')).filter((name) => /^\d/.test(name));
    expect(journals.length).toBeLessThanOrEqual(100);
    expect(statSync(join(box.root, 'linkgraph.db')).size).toBeLessThan(64 * 1024);
    for (const folder of [
      'containers',
      'overlay/mnt',
      'execdriver/native',
      'network/leases',
      'journal/open',
      'journal/kept',
    ]) {
      expect({ folder, names: readdirSync(join(box.root, folder)) }).toEqual({ folder, names: [] });
    }
  });
});
