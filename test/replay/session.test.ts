/** Real runs, recorded: what the replay draws is what the live session drew, and the run is as it is without a recorder. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { terminal } from '../cli/tmux.ts';
import { linesIn } from './made-up.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');

describe.skipIf(skipUnlessRoot())('a run that is recorded', () => {
  let box: Sandbox;
  let count = 0;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    await box.run(['run', '--rm', 'base', 'true']);
  });
  afterAll(() => box.dispose());
  const fresh = (): string => join(box.folder, `${++count}.tsdock`);
  const replay = (file: string, stdin: string, ...args: string[]) =>
    box.run(['replay', ...args, file], { stdin });
  /** Without the heading, and without what the program wrote: in a live run that is its own. */
  const drawn = (text: string): string =>
    text.slice(text.indexOf('\n\n') + 2).replace(/^ {2}[│┃] .*\n/gm, '');

  test('is replayed as it was drawn: cards, diffs, calls, values, dumps', async () => {
    const file = fresh();
    const commands = [
      ...[
        'n',
        'f',
        'k',
        'b init.pivot',
        'b init.pivot:after',
        'c',
        'd',
        'd mounts',
        'd process',
        'd cgroups',
      ],
      ...['d links', 'd files', 'd store', 'd namespaces', 'c', 'f', 'k', 'd mounts', 'd values', 'l', 'e'],
      ...['b exit.wait:after', 'c', 'd values', 'f', 'n', 'f', 'c'],
    ];
    const stdin = `${commands.join('\n')}\n`;
    const live = await box.run(
      [
        'run',
        '--rm',
        '--step',
        '--record',
        file,
        '-e',
        'TOKEN=hunter2',
        '-m',
        '64m',
        'base',
        'sh',
        '-c',
        'echo out; echo err >&2',
      ],
      { stdin },
    );
    expect({ code: live.code, stdout: live.stdout }).toEqual({ code: 0, stdout: 'out\n' });
    const { code, stdout, stderr } = await replay(file, stdin);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(drawn(stdout)).toBe(live.stderr.replace(/^err\n/m, ''));
    expect(stdout).toContain('  │ out\n');
    expect(stdout).toContain('  ┃ err\n');
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('TOKEN=…');
    expect(text).not.toContain('hunter2');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('and failed in dockerinit: the same card, the same undoing, the same words', async () => {
    const file = fresh();
    const live = await box.run(['run', '--rm', '--step', '--record', file, '-u', 'bob', 'base', 'true']);
    expect(live.code).toBe(125);
    const { code, stdout } = await replay(file, '');
    expect(code).toBe(0);
    expect(drawn(stdout)).toBe(live.stderr);
    expect(stdout).toContain('ts-dock: unable to find user bob');
  });

  test('is as quiet as any other, and passes on what the program writes, to the last byte', async () => {
    const file = fresh();
    const script = 'head -c 3000000 /dev/zero | tr "\\0" x; echo; echo "é wörld"; exit 7';
    const { code, stdout, stderr } = await box.run([
      'run',
      '--rm',
      '--record',
      file,
      'base',
      'sh',
      '-c',
      script,
    ]);
    expect({ code, stderr }).toEqual({ code: 7, stderr: '' });
    expect(stdout.length).toBe(3_000_000 + '\né wörld\n'.length);
    expect(stdout.endsWith('x\né wörld\n')).toBe(true);
    const output = linesIn(readFileSync(file, 'utf8')).filter((line) => line.k === 'output');
    const kept = output.map(({ text }) => text).join('').length;
    expect(kept).toBe(1024 ** 2);
    expect(output.at(-1)?.cut).toBe(true);
  });

  test('keeps the order of what goes into one file', async () => {
    const [file, log] = [fresh(), join(box.folder, 'log')];
    const script = 'for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done';
    const line = `"$0" "$1" --root "$2" run --rm --record "$3" base sh -c "$4" > "$5" 2>&1`;
    const args = ['-c', line, process.execPath, bundle, box.root, file, script, log];
    expect((await launch('/bin/sh', args).done).code).toBe(0);
    const wanted = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((i) => [`out ${i}`, `err ${i}`]);
    expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual(wanted);
  });

  test('a program whose reader has gone learns it', async () => {
    const line = `"$0" "$1" --root "$2" run --rm --record "$3" base sh -c 'while echo y; do :; done; echo over >&2' | head -n 1`;
    const args = ['-c', line, process.execPath, bundle, box.root, fresh()];
    const { code, stdout } = await launch('/bin/sh', args, { timeout: 15_000 }).done;
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'y\n' });
  });

  test('waits for a slow reader as it would without a recorder, and loses nothing', async () => {
    const script = 'head -c 2000000 /dev/zero | tr "\\0" x; echo; echo written >&2';
    // The reader begins when all was written: never, if nobody piles it up.
    const line = `"$0" "$1" --root "$2" run --rm --record "$3" base sh -c "$4" 2> "$5" | { sleep 1; cat "$5" >&2; cat; }`;
    const args = [
      '-c',
      line,
      process.execPath,
      bundle,
      box.root,
      fresh(),
      script,
      join(box.folder, 'errors'),
    ];
    const { code, stdout, stderr } = await launch('/bin/sh', args).done;
    expect({ code, length: stdout.length, stderr }).toEqual({ code: 0, length: 2_000_001, stderr: '' });
  });

  test('by a ts-dock that is killed: whole up to there', async () => {
    const file = fresh();
    const live = await box.run([
      'run',
      '--rm',
      '--record',
      file,
      '--fail',
      'init.pivot=kill',
      'base',
      'true',
    ]);
    expect(live.signal).toBe('SIGKILL');
    const { code, stdout, stderr } = await replay(file, 'c\nl\nd values\n');
    expect(code).toBe(3);
    expect(stderr).toMatch(/this recording was cut: it is whole up to line \d+/);
    expect(stdout).toMatch(/▶ +54 +init\.pivot/);
    await box.run(['recover']);
  });

  test('never over a file that is there, nor where none can be; nothing is begun', async () => {
    const file = fresh();
    writeFileSync(file, 'mine');
    const taken = await box.run(['run', '--name', 'never', '--record', file, 'base', 'true']);
    expect(taken.code).toBe(125);
    expect(taken.stderr).toContain(`cannot record to "${file}": it is there already`);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    const nowhere = await box.run(['run', '--record', join(box.folder, 'no/where'), 'base', 'true']);
    expect(nowhere.code).toBe(125);
    expect(nowhere.stderr).toContain('cannot record to');
    expect(JSON.parse((await box.run(['ps', '-a', '--json'])).stdout)).toEqual([]);
  });

  test('create and start have it too', async () => {
    const [created, started] = [fresh(), fresh()];
    await box.run(['create', '--name', 'two-parts', '--record', created, 'base', 'echo', 'hello']);
    expect((await box.run(['start', '-a', '--record', started, 'two-parts'])).stdout).toBe('hello\n');
    expect((await replay(created, '$\np\nd files\nq\n')).stdout).toContain('config.json ID');
    const { stdout } = await replay(started, 'c\n');
    expect(stdout).toContain('  │ hello\n');
    await box.run(['rm', 'two-parts']);
  });

  test('a live run does not go back', async () => {
    const words = ['back', 'first', 'last', 'goto init.exec', 'search mount'];
    const { stderr } = await box.run(['run', '--rm', '--step', 'base', 'true'], {
      stdin: `${words.join('\n')}\nq\n`,
    });
    const said = 'only a recording can go back, or be searched. `run --record FILE`, then `replay FILE`';
    expect(stderr.split(said).length - 1).toBe(words.length);
  });

  test.skipIf(skipUnlessProgram('tmux'))(
    'at a terminal the program has the terminal, and the recording says so',
    async () => {
      const file = fresh();
      const command = `run --rm --record ${file} base sh -c '[ -t 1 ] && echo is a terminal'`;
      const screen = terminal(
        `${process.execPath} ${bundle} --root ${box.root} ${command}; echo "status $?"`,
      );
      await screen.until(/^is a terminal/m);
      await screen.until(/^status 0/m);
      const { stdout } = await replay(file, 'c\n');
      expect(stdout).toContain("without the program's stdout and stderr, which went to a terminal");
      expect(stdout).not.toContain('is a terminal\n  │');
    },
  );
});
