/** `exec -t` at a real terminal (tmux): the program's own terminal joined to the person's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { terminal, type Terminal } from '../cli/tmux.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { living, type Living } from './living.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('tmux'))('exec at a terminal', () => {
  let box: Sandbox;
  let web: Living;
  const command = (...args: readonly string[]): string =>
    [process.execPath, bundle, '--root', box.root, 'exec', ...args].join(' ');
  /** Between two looks at the terminal's settings. */
  const at = (...args: readonly string[]): Terminal =>
    terminal(
      `stty -g > ${box.folder}/before; ${command(...args)}; echo "status $?"; stty -g > ${box.folder}/after; echo over`,
      {},
      [90, 30],
    );
  const expectRestored = async (screen: Terminal): Promise<void> => {
    await screen.until(/^over/m);
    expect(readFileSync(join(box.folder, 'after'), 'utf8')).toBe(
      readFileSync(join(box.folder, 'before'), 'utf8'),
    );
  };
  const PROMPT = /^\/\S* # *$/m;

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    web = await living(box, 'web');
  });
  afterAll(async () => {
    await web.end();
    await box.dispose();
  });

  test('a shell: a terminal of the container, its size from the start, its exit code', async () => {
    const screen = at('-it', 'web', 'sh', '-c', "'stty size; tty; echo $TERM; exec sh'");
    const first = await screen.until(PROMPT);
    expect(first).toMatch(/^30 90\n\/dev\/pts\/\d+\nxterm$/m);
    screen.keys('(echo begun | tr b B; exec sleep 1005)', 'Enter');
    await screen.until(/^Begun$/m);
    screen.keys('C-c');
    screen.keys('echo "still $((40+2))"', 'Enter');
    await screen.until(/^still 42$/m);
    screen.keys('exit 5', 'Enter');
    await screen.until(/status 5/);
    await expectRestored(screen);
    await web.alone();
  });

  test('the terminal changes its size, and the program’s does too', async () => {
    const screen = at(
      '-it',
      'web',
      'sh',
      '-c',
      '\'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done\'',
    );
    await screen.until(/ready/);
    screen.resize(70, 20);
    await screen.until(/^20 70$/m);
    screen.keys('C-c');
    await screen.until(/status 130/);
    await expectRestored(screen);
  });

  test('detach keys leave, and the program goes on with its terminal', async () => {
    const screen = at('-it', 'web', 'sh', '-c', "'echo ready; sleep 1006; echo end'");
    await screen.until(/ready/);
    const before = web.members();
    screen.keys('C-p', 'C-q');
    await screen.until(/status 0/);
    await expectRestored(screen);
    expect((await box.run(['recover'])).code).toBe(0);
    expect(web.members()).toEqual(before);
    // Its terminal was not hung up, and somebody takes what it writes.
    await web.program.say('killall sleep');
    await web.alone();
  });

  test('other detach keys; the usual ones go through', async () => {
    const screen = at(
      '-it',
      '--detach-keys',
      'ctrl-a,z',
      'web',
      'sh',
      '-c',
      "'stty raw -echo; echo ready; od -An -tx1 -N2; cat'",
    );
    await screen.until(/ready/);
    screen.keys('C-p', 'C-q');
    await screen.until(/10 11/);
    screen.keys('C-a', 'z');
    await screen.until(/status 0/);
    await expectRestored(screen);
    await web.program.say('killall -9 cat od sh 2>/dev/null; true');
  });

  test('ts-dock is asked to end: so is the program, and the terminal is as before', async () => {
    const screen = at(
      '-it',
      'web',
      'sh',
      '-c',
      '\'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done\'',
    );
    await screen.until(/ready/);
    const pid = await web.tsDock('exec');
    process.kill(pid, 'SIGTERM');
    await screen.until(/status 9/);
    await expectRestored(screen);
  });

  test('-t without -i: a terminal for what is written, nothing is typed', async () => {
    const screen = at('-t', 'web', 'sh', '-c', "'tty; stty size; [ -t 0 ] && echo yes'");
    await screen.until(/^\/dev\/pts\/\d+\n30 90\nyes$/m);
    await expectRestored(screen);
  });

  test('stepping, then the program’s terminal, then the rest', async () => {
    const screen = at('--break', 'exec.exec', '-it', 'web', 'sh');
    await screen.until(/\(ts-dock\) exec\.exec> *$/m);
    screen.keys('c', 'Enter');
    await screen.until(PROMPT);
    screen.keys('exit 4', 'Enter');
    await screen.until(/status 4/);
    await expectRestored(screen);
  });

  test('the container ends while one is at its terminal', async () => {
    const short = await living(box, 'short');
    const screen = at('-it', 'short', 'sh');
    await screen.until(PROMPT);
    await short.end();
    await screen.until(/status 137/);
    await expectRestored(screen);
  });
});
