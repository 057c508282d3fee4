import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipUnlessProgram } from '../rig/skip.ts';
import { terminal, type Terminal } from './tmux.ts';

const folder = mkdtempSync(join(tmpdir(), 'ts-dock-terminal-'));
const program = join(folder, 'fake.cjs');

beforeAll(async () => {
  await build({
    entryPoints: ['test/cli/fake-terminal.ts'],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const before = join(folder, 'before');
const after = join(folder, 'after');

/** The program between two looks at the terminal's settings. */
function session(env: Readonly<Record<string, string>> = {}): Terminal {
  return terminal(
    `stty -a > ${before}; ${process.execPath} ${program}; echo "status $?"; stty -a > ${after}; echo over`,
    env,
  );
}

async function expectRestored(screen: Terminal): Promise<void> {
  await screen.until(/^over/m);
  expect(readFileSync(after, 'utf8')).toBe(readFileSync(before, 'utf8'));
}

describe.skipIf(skipUnlessProgram('tmux'))('a person at a terminal', () => {
  test('steps with Enter, breaks with completion, continues to the breakpoint, quits', async () => {
    const screen = session();
    await screen.until(/\(ts-dock\) start\.mount-rootfs>$/m);
    screen.keys('Enter');
    await screen.until(/\(ts-dock\) launch\.clone>$/m);
    // Readline takes a Tab for pasted text where it comes in one piece with other keys.
    screen.keys('b exit.w');
    await screen.until(/> b exit\.w$/m);
    screen.keys('Tab');
    await screen.until(/> b exit\.wait$/m);
    screen.keys('Enter');
    await screen.until(/breakpoints: exit\.wait/);
    screen.keys('c', 'Enter');
    const seen = await screen.until(/\(ts-dock\) exit\.wait>$/m);
    expect(seen).toMatch(/✓ \[3\/4\] init\.exec/);
    screen.keys('q', 'Enter');
    await screen.until(/ended: quit/);
    await expectRestored(screen);
  });

  test('history, a list of words by Tab, and a mistake', async () => {
    const screen = session();
    await screen.until(/start\.mount-rootfs>$/m);
    screen.keys('brk', 'Enter');
    await screen.until(/"brk" is no command; did you mean break\?/);
    screen.keys('list', 'Enter');
    await screen.until(/▶ {2}1 {2}start\.mount-rootfs/);
    screen.keys('Enter');
    await screen.until(/launch\.clone>$/m);
    screen.keys('Up', 'Enter');
    await screen.until(/▶ {2}2 {2}launch\.clone/);
    screen.keys('di');
    await screen.until(/> di$/m);
    screen.keys('Tab');
    await screen.until(/launch\.clone> diff/);
    screen.keys('Enter', 'C-c');
    await screen.until(/ended: quit/);
    await expectRestored(screen);
  });

  test('lines that come in one piece are all heard', async () => {
    const screen = session();
    await screen.until(/start\.mount-rootfs>$/m);
    screen.keys('n\nn\nn\nlist\n');
    await screen.until(/▶ {2}4 {2}exit\.wait/);
    screen.keys('C-d');
    await screen.until(/ended: end/);
    await expectRestored(screen);
  });

  test('Ctrl-D continues to the end', async () => {
    const screen = session();
    await screen.until(/start\.mount-rootfs>$/m);
    screen.keys('C-d');
    await screen.until(/exit code 0/);
    await expectRestored(screen);
  });

  test('Ctrl-C quits, and the terminal is as it was', async () => {
    const screen = session();
    await screen.until(/start\.mount-rootfs>$/m);
    screen.keys('C-c');
    await screen.until(/undo {2}1 thing, last first: you asked for the end/);
    await expectRestored(screen);
  });

  test('the container has the terminal to itself, and gives it back', async () => {
    const screen = session({
      FAKE_PROGRAM: 'stty -a > $FOLDER/inside; echo ready; read line; echo "the program got $line"',
      FOLDER: folder,
    });
    await screen.until(/start\.mount-rootfs>$/m);
    screen.keys('n', 'Enter');
    await screen.until(/launch\.clone>$/m);
    screen.keys('n', 'Enter');
    await screen.until(/init\.exec>$/m);
    screen.keys('n', 'Enter');
    await screen.until(/^ready/m);
    screen.keys('hello', 'Enter');
    await screen.until(/the program got hello/);
    expect(readFileSync(join(folder, 'inside'), 'utf8')).toBe(readFileSync(before, 'utf8'));
    await screen.until(/exit\.wait>$/m);
    screen.keys('n', 'Enter');
    await screen.until(/ended: end/);
    await expectRestored(screen);
  });
});
