/** The recordings in traces/: replayed by the bundle, by a person at a terminal, and by somebody who may do nothing. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runFlow } from '../../src/flows/run.ts';
import { readRecording } from '../../src/replay/read.ts';
import { terminal } from '../cli/tmux.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';

const project = join(import.meta.dirname, '../..');
const bundle = join(project, 'dist/ts-dock.cjs');
const trace = (name: string): string => join(project, 'traces', `${name}.tsdock`);
const good = trace('good-run');
const failing = trace('fails-in-dockerinit');
const heads = (text: string): string[] =>
  [...text.matchAll(/^── \[\d+\/\d+\] .* (\S+) ──$/gm)].map(([, id]) => id ?? '');

/** In a folder that anybody may enter: the bundle and the traces, and nothing else of the project. */
const folder = mkdtempSync(join(tmpdir(), 'ts-dock-replay-'));
beforeAll(() => {
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'dist'));
  for (const file of ['ts-dock.cjs', 'main.cjs', 'cards.json'])
    cpSync(join(project, 'dist', file), join(folder, 'dist', file));
  cpSync(join(project, 'traces'), join(folder, 'traces'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], stdin = ''): Done {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };
  const options = { input: stdin, env, cwd: '/', encoding: 'utf8', timeout: 30_000 } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  return { code: status, stdout, stderr };
}

const replay = (args: readonly string[], stdin?: string): Done =>
  run(process.execPath, [bundle, 'replay', ...args], stdin);

describe('the shipped recordings', () => {
  test.each([good, failing])('%s is whole, small, and of the steps that a run has today', (file) => {
    const { header, cutAfter } = readRecording(file);
    expect(cutAfter).toBeUndefined();
    expect(statSync(file).size).toBeLessThan(1e6);
    expect(
      header.steps.map(({ id }) => id),
      'the steps have changed: make the recordings again, with `node scripts/record-traces.mjs` as root',
    ).toEqual(runFlow.map(({ id }) => id));
  });

  test('say nothing of the variables, nor of the machine', () => {
    for (const file of [good, failing]) {
      const text = readFileSync(file, 'utf8');
      expect(text).not.toContain('GREETING=hello');
      // Paths of the checkout, of home folders; what /etc/resolv.conf says.
      expect(text).not.toMatch(/\/(home|work|Users)\/(?!work)[a-z]+\/[^"]*(src|dist|build)\//);
      expect(text.match(/nameserver ([\d.]+)/g)?.every((each) => each === 'nameserver 192.0.2.53')).toBe(
        true,
      );
    }
  });

  test('a good run: every card, the output, the undoing', () => {
    const { code, stdout, stderr } = replay([good]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(heads(stdout)).toEqual(runFlow.map(({ id }) => id));
    expect(stdout).toMatch(
      /^recording of: ts-dock run --record good-run\.tsdock .* -e GREETING=… base sh -c/,
    );
    expect(stdout).toMatch(/^recorded 20\d\d-\d\d-\d\d \d\d:\d\d UTC on Linux \S+ \S+, by ts-dock \d/m);
    expect(stdout).toContain('  │ hello from process 1\n');
    expect(stdout).toContain('  ┃ bye\n');
    expect(stdout).toMatch(/^undo {2}\d+ things, last first: the container has ended$/m);
  });

  test('one that fails in dockerinit: where, why, and what was undone', () => {
    const { code, stdout } = replay([failing], '$\nd process\np\nd process\nq\n');
    expect(code).toBe(0);
    expect(stdout).toMatch(/✗ init\.user failed after/);
    expect(stdout).toContain('ts-dock: unable to find user bob');
    expect(stdout).toContain('exit code 125');
    const [atEnd, before] = stdout.split('(ts-dock) ').filter((each) => each.startsWith('d process'));
    expect(atEnd).toContain('nothing to be seen yet');
    expect(before).toMatch(/uids +0$/m);
  });

  test('a reader that is slow gets all of it', () => {
    const line = '"$0" "$1" replay --all "$2" | { sleep 0.5; cat; }';
    const { stdout } = run('/bin/sh', ['-c', line, process.execPath, bundle, good]);
    expect(stdout).toBe(replay(['--all', good]).stdout);
    expect(stdout.length).toBeGreaterThan(100_000);
  });

  test('breakpoints, --all, and commands from a file', () => {
    const file = join(folder, 'commands');
    writeFileSync(file, '# a look\nf\nc\n');
    const { stdout } = replay(['--break', 'init.pivot:after', '--step-commands', file, good]);
    expect(heads(stdout)).toEqual(['init.pivot']);
    expect(stdout).toContain('changed by init.pivot');
    const all = replay(['--all', good], 'q\n');
    expect(heads(all.stdout).length).toBe(runFlow.length);
  });

  test.each([
    [['--break', 'init.pivto', good], 'Did you mean init.pivot'],
    [[join(folder, 'dist/cards.json')], 'is not a recording'],
    [[join(folder, 'none')], 'cannot read'],
    [[], 'missing required argument'],
  ])('%j is refused', (args, why) => {
    const { code, stdout, stderr } = replay(args);
    expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
    expect(stderr).toContain(why);
  });

  test('a cut one is shown, says so, and has an exit code of its own; an edited one is refused', () => {
    const lines = readFileSync(good, 'utf8').split(/(?<=\n)/);
    const cut = join(folder, 'cut.tsdock');
    writeFileSync(cut, lines.slice(0, 200).join('') + lines[200]!.slice(0, 100));
    const shown = replay([cut]);
    expect(shown.code).toBe(3);
    expect(shown.stdout).toMatch(
      /^this recording was cut: it is whole up to line 200, and shown up to there$/m,
    );
    expect(shown.stderr).toContain('it is whole up to line 200');
    expect(heads(shown.stdout).length).toBeGreaterThan(10);
    const edited = join(folder, 'edited.tsdock');
    writeFileSync(edited, lines.with(99, lines[99]!.replace(/\d/, '7').replace('"ns":', '"ns":1')).join(''));
    const refused = replay([edited]);
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 125, stdout: '' });
    expect(refused.stderr).toMatch(/was edited: line \d+/);
  });
});

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('setpriv'))('somebody who may do nothing', () => {
  const nobody =
    '--reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all --no-new-privs'.split(
      ' ',
    );

  test('replays from a copy without a native part, without libraries', () => {
    expect(readdirSync(folder).filter((name) => ['build', 'node_modules'].includes(name))).toEqual([]);
    const args = [
      process.execPath,
      join(folder, 'dist/ts-dock.cjs'),
      'replay',
      join(folder, 'traces/good-run.tsdock'),
    ];
    const script = 'n\nn\np\ng init.pivot:after\nd\nf\nk\ne\nl\n/ pivot_root\n$\nd\np\n^\nc\n';
    const { code, stdout, stderr } = run('setpriv', [...nobody, ...args], script);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('pivot_root(".", ".") = 0');
    expect(stdout).toMatch(/^ +54 {2}init\.pivot +call +pivot_root/m);
  });
});

describe.skipIf(skipUnlessProgram('tmux'))('at a terminal', () => {
  test('a person goes forwards, backwards, anywhere, and leaves', async () => {
    const screen = terminal(`${process.execPath} ${bundle} replay ${good}; echo "status $?"`);
    await screen.until(/\(ts-dock\) host\.bridge>$/m);
    screen.keys('Enter');
    await screen.until(/\(ts-dock\) host\.forwarding>$/m);
    screen.keys('p', 'Enter');
    await screen.until(/> p\n[^]*\(ts-dock\) host\.bridge>$/m);
    screen.keys('g init.piv');
    await screen.until(/> g init\.piv$/m);
    screen.keys('Tab');
    await screen.until(/> g init\.pivot$/m);
    screen.keys('Enter');
    await screen.until(/\(ts-dock\) init\.pivot>$/m);
    screen.keys('/ pivot_root', 'Enter');
    await screen.until(/54 {2}init\.pivot +call/);
    screen.keys('$', 'Enter');
    await screen.until(/\(ts-dock\) end>$/m);
    screen.keys('p', 'Enter');
    await screen.until(/\(ts-dock\) exit\.persist>$/m);
    screen.keys('C-d');
    await screen.until(/exit\.persist> ?\n[^]*\(ts-dock\) end>$/m);
    screen.keys('C-d');
    await screen.until(/^status 0/m);
  });
});
