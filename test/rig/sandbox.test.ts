import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { launch, sandbox } from './sandbox.ts';
import { skipUnlessRoot } from './skip.ts';

describe('a launched program', () => {
  test('gives its output and its end', async () => {
    const live = launch('sh', ['-c', 'cat; echo error >&2; exit 3'], { stdin: 'text' });
    expect(await live.done).toEqual({ code: 3, signal: null, stdout: 'text', stderr: 'error\n' });
  });

  test('reads nothing from standard input unless it is given one', async () => {
    expect((await launch('cat', []).done).stdout).toBe('');
  });

  test('sees no more of the environment than it was given', async () => {
    process.env['TS_DOCK_TEST_LEAK'] = '1';
    const { stdout } = await launch('env', [], { env: { GIVEN: '2' } }).done;
    delete process.env['TS_DOCK_TEST_LEAK'];
    expect(stdout).toContain('GIVEN=2');
    expect(stdout).not.toContain('TS_DOCK_TEST_LEAK');
  });

  test('can be waited for by what it says', async () => {
    const live = launch('sh', ['-c', 'echo ready; cat'], { stdin: 'open' });
    await live.until(/ready/);
    live.write('more\n');
    await live.until(/more/);
    live.child.stdin?.end();
    expect((await live.done).code).toBe(0);
  });

  test('that ends without saying it is an error', async () => {
    await expect(launch('true', []).until(/never/)).rejects.toThrow('ended without never');
  });

  test('is killed when its time is over', async () => {
    const live = launch('cat', [], { stdin: 'open', timeout: 50 });
    await expect(live.done).rejects.toThrow('did not end within 50 ms');
  });

  test('that leaves its output to somebody else is an error', async () => {
    const live = launch('sh', ['-c', 'tail -f /dev/null & echo $!'], { grace: 50 });
    const [pid] = await live.until(/\d+/);
    await expect(live.done).rejects.toThrow('something still holds its output');
    process.kill(Number(pid));
  });
});

describe('a sandbox', () => {
  /** A ts-dock that does what the shell script says and takes the end of it calmly. */
  function fake(script: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const program = join(folder, 'fake.cjs');
    writeFileSync(
      program,
      `const { execFileSync } = require('node:child_process');
       const [, root, ...args] = process.argv.slice(2);
       execFileSync('sh', ['-c', ${JSON.stringify(script)}, 'sh', root, ...args], { stdio: 'inherit' });`,
    );
    return program;
  }

  test('gives the program its root and its arguments, and removes its folder', async () => {
    const box = await sandbox({ manual: true, program: fake('mkdir -p "$1"; echo "$@"') });
    expect((await box.run(['host', 'up'])).stdout).toBe(`${box.root} host up\n`);
    await box.dispose();
    expect(existsSync(box.folder)).toBe(false);
  });

  test('recovers, removes each container, and takes the host down, in this order', async () => {
    const box = await sandbox({
      manual: true,
      program: fake(
        'mkdir -p "$1/containers/c1"; echo "$2 $3" >>"$1/../log"; [ "$2" != rm ] || rmdir "$1/containers/c1"',
      ),
    });
    await box.run(['run']);
    const log = join(box.folder, 'log');
    // The fake makes its container again each time, which is a leak.
    await expect(box.dispose()).rejects.toThrow('containers/c1 is left');
    expect(existsSync(log)).toBe(false);
  });

  test.skipIf(skipUnlessRoot())(
    'fails for a mount that was left, and does not remove through it',
    async () => {
      const box = await sandbox({
        manual: true,
        patience: 50,
        program: fake('mkdir -p "$1/m"; case $2 in run) mount -t tmpfs leak "$1/m"; esac'),
      });
      await box.run(['run']);
      const file = join(box.root, 'm', 'kept');
      writeFileSync(file, '');
      await expect(box.dispose()).rejects.toThrow(`mount ${box.root}/m is new`);
      expect(existsSync(file)).toBe(true);
      execFileSync('umount', [join(box.root, 'm')]);
      rmSync(box.folder, { recursive: true });
    },
  );

  test('kills what still runs, and tells of a command of its own that fails', async () => {
    const box = await sandbox({
      manual: true,
      program: fake('mkdir -p "$1"; case $2 in run) echo up; exec cat;; recover) exit 1; esac'),
    });
    const live = box.start(['run'], { stdin: 'open' });
    await live.until(/up/);
    await expect(box.dispose()).rejects.toThrow('ts-dock recover ended with 1');
    expect((await live.done).signal).toBe('SIGKILL');
  });
});
