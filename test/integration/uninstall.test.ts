/** `uninstall` and `host down --all`: afterwards the host is as if ts-dock had never run, also when it was killed on the way. */
import { execFileSync, spawn } from 'node:child_process';
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settle, takeCensus, type Census } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');

describe.skipIf(skipUnlessRoot())('uninstall', () => {
  let box: Sandbox;
  let before: Census;
  const take = (): Census => takeCensus({ root: box.root, files: [box.folder] });

  beforeEach(async () => {
    box = await sandbox();
    mkdirSync(join(box.folder, 'mine'));
    writeFileSync(join(box.folder, 'mine', 'data'), 'precious\n');
    before = take();
  });

  /** A container that has ended, with a bind source and a volume, and all that the host keeps for it. */
  async function used(): Promise<void> {
    const mine = `${join(box.folder, 'mine')}:/mine`;
    expect(
      await box.run(['run', '--name', 'ended', '-v', mine, 'base', 'sh', '-c', 'echo more >> /mine/data']),
    ).toMatchObject({ code: 0 });
    writeFileSync(join(box.folder, 'mine', 'data'), 'precious\n');
  }

  test.each([['uninstall'], ['host down --all']])(
    '%s leaves nothing but what was mounted into containers',
    async (command) => {
      await used();
      const done = await box.run(command.split(' '));
      expect(done).toMatchObject({ code: 0, stderr: '' });
      expect(done.stdout).toMatch(/^undone {3}delete chain/m);
      expect(done.stdout).toContain('remove   1 container: ended');
      expect(done.stdout).toMatch(/remove {3}\d+ images?: /);
      expect(existsSync(box.root)).toBe(false);
      expect(await settle(before, take)).toEqual([]);
      expect(readFileSync(join(box.folder, 'mine', 'data'), 'utf8')).toBe('precious\n');

      const again = await box.run(command.split(' '));
      expect(again).toMatchObject({ code: 0, stdout: `There is no ${box.root}: nothing to remove.\n` });
      expect(existsSync(box.root)).toBe(false);
    },
  );

  test('what runs is named and not ended; with --force it is', async () => {
    const live = box.start(['run', '--name', 'busy', 'base', 'sh', '-c', 'echo up; exec sleep 60']);
    await live.until(/up/);
    const refused = await box.run(['uninstall']);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toMatch(/still running: busy \([0-9a-f]{12}\)/);
    expect(refused.stderr).toContain('Nothing was removed.');
    expect((await box.run(['ps', '-q'])).stdout.trim()).toMatch(/^[0-9a-f]{12}$/);

    const forced = await box.run(['uninstall', '--force']);
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect(forced.stdout).toMatch(/^ended {4}busy \(/m);
    expect((await live.done).signal).toBe('SIGKILL');
    expect(existsSync(box.root)).toBe(false);
    expect(await settle(before, take)).toEqual([]);
  });

  test('containers in the background are named too, and ended with --force', async () => {
    expect(await box.run(['run', '-d', '--name', 'behind', 'base', 'sleep', '60'])).toMatchObject({
      code: 0,
    });
    const refused = await box.run(['uninstall']);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toMatch(/still running: behind \([0-9a-f]{12}\)/);
    expect(await box.run(['uninstall', '--force'])).toMatchObject({ code: 0, stderr: '' });
    expect(await settle(before, take)).toEqual([]);
  });

  test('killed at any call on the way, it goes on when called again', async () => {
    await used();
    // strace delivers the signal on entering the n-th unlink: the kill falls into the host's undo and into the folder's removal.
    for (const n of [1, 3, 40]) {
      const killed = spawn(
        'strace',
        [
          '-f',
          '-qq',
          '-o',
          '/dev/null',
          '-e',
          `inject=unlink,unlinkat:signal=KILL:when=${n}`,
          process.execPath,
          bundle,
          '--root',
          box.root,
          'uninstall',
        ],
        { stdio: 'ignore' },
      );
      const signal = await new Promise((resolve) => killed.once('exit', (_, by) => resolve(by)));
      expect(signal).toBe('SIGKILL');
      expect(readFileSync(join(box.root, 'format'), 'utf8')).toBe('1\n');
    }
    expect(await box.run(['uninstall'])).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(box.root)).toBe(false);
    expect(await settle(before, take)).toEqual([]);
  });

  test('what a killed run left goes too', async () => {
    expect(await box.run(['run', '--fail', 'init.pivot:before=kill', 'base', 'true'])).toMatchObject({
      signal: 'SIGKILL',
    });
    expect(await box.run(['uninstall'])).toMatchObject({ code: 0, stderr: '' });
    expect(await settle(before, take)).toEqual([]);
  });

  test('a mount in the root that is not ours stops it before anything is removed', async () => {
    await used();
    const place = join(box.root, 'volumes', 'theirs');
    mkdirSync(place);
    execFileSync('mount', ['--bind', join(box.folder, 'mine'), place]);
    const names = readdirSync(box.root);
    try {
      const refused = await box.run(['uninstall']);
      expect(refused.code).toBe(125);
      expect(refused.stderr.replace(/\s+/g, ' ')).toContain(`${place} is a mount`);
      expect(readdirSync(box.root)).toEqual(names);
      expect(readdirSync(join(box.folder, 'mine'))).toEqual(['data']);
    } finally {
      execFileSync('umount', [place]);
    }
    expect(await box.run(['uninstall'])).toMatchObject({ code: 0 });
  });
});

describe.skipIf(skipUnlessRoot())('a folder that is not ts-dock’s', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ts-dock-foreign-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const uninstall = (): { status: number; stderr: string } => {
    try {
      execFileSync(process.execPath, [bundle, '--root', folder, 'uninstall'], { stdio: 'pipe' });
      return { status: 0, stderr: '' };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: Buffer };
      return { status, stderr: stderr.toString().replace(/\s+/g, ' ') };
    }
  };

  test('is refused, and stays as it is', () => {
    writeFileSync(join(folder, 'letter'), 'dear');
    expect(uninstall()).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('there is no file format in it') as string,
    });
    expect(readFileSync(join(folder, 'letter'), 'utf8')).toBe('dear');
  });

  test('and so is one of another format', () => {
    writeFileSync(join(folder, 'format'), '99\n');
    expect(uninstall()).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('its format is 99') as string,
    });
    writeFileSync(join(folder, 'format'), 'A4\n');
    expect(uninstall()).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('format says "A4\\n"') as string,
    });
    expect(readdirSync(folder)).toEqual(['format']);
  });
});
