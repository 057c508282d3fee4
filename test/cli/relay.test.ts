/** The relay against real pseudo terminals: in this process with streams, and in tmux with a person's terminal. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PtyEnd } from '../../src/cli/terminal/console-end.ts';
import { DetachWatch, parseDetachKeys } from '../../src/cli/terminal/detach-keys.ts';
import { relay, type RelayEnd } from '../../src/cli/terminal/relay.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { KernelError } from '../../src/kernel/calls.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skipUnlessProgram } from '../rig/skip.ts';
import { pty } from './pty.ts';
import { terminal, type Terminal } from './tmux.ts';

const sys = new Kernel();

describe('detach keys', () => {
  test.each([
    ['ctrl-p,ctrl-q', [16, 17]],
    ['a', [97]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['~,.', [126, 46]],
    ['ctrl-a,a', [1, 97]],
  ])('%s', (text, bytes) => {
    expect([...parseDetachKeys(text)]).toEqual(bytes);
  });

  test.each(['', 'ctrl-', 'ctrl-P', 'ctrl-pp', 'ctrl-p,', ',', 'del', 'é', 'ctrl-1', '\n'])(
    '%j is refused',
    (text) => {
      expect(() => parseDetachKeys(text)).toThrow(TsDockError);
      expect(() => parseDetachKeys(text)).toThrow(/--detach-keys/);
    },
  );

  /** Feeds each piece by itself; `|` where it detached. */
  const typed = (keys: string, pieces: readonly string[]): string => {
    const watch = new DetachWatch(Buffer.from(keys));
    return pieces
      .map((piece) => {
        const { pass, detached } = watch.feed(Buffer.from(piece));
        return pass.toString() + (detached ? '|' : '');
      })
      .join('');
  };

  test.each([
    ['pq', ['hello'], 'hello'],
    ['pq', ['apq'], 'a|'],
    ['pq', ['ap', 'q'], 'a|'],
    ['pq', ['p', 'x'], 'px'],
    ['pq', ['pp', 'q'], 'p|'],
    ['pq', ['p'], ''],
    ['q', ['q'], '|'],
    ['aab', ['aaab'], 'a|'],
    ['aab', ['aac'], 'aac'],
    ['abab', ['ababx'], '|'],
    ['ababc', ['abababc'], 'ab|'],
    ['pq', ['pqmore'], '|'],
  ])('%s in %j', (keys, pieces, passed) => {
    expect(typed(keys, pieces)).toBe(passed);
  });
});

interface Joined {
  readonly end: PtyEnd;
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly how: Promise<RelayEnd>;
  readonly master: number;
  readonly code: Promise<number | null>;
  /** Resolves when the output, read from now on, has `text`. */
  until(text: string): Promise<string>;
}

async function joined(script: string, highWaterMark = 65_536): Promise<Joined> {
  const { master, child, code } = await pty(sys, ['sh', '-c', script]);
  const end = new PtyEnd(sys, master);
  const input = new PassThrough();
  const output = new PassThrough({ highWaterMark });
  onTestFinished(() => {
    end.close();
    child.kill('SIGKILL');
  });
  const how = relay(sys, end, { input, output, terminal: undefined, detachKeys: Buffer.from('\x10\x11') });
  const until = async (text: string): Promise<string> => {
    let seen = '';
    while (!seen.includes(text)) seen += String((await once(output, 'data'))[0]);
    return seen;
  };
  return { end, input, output, how, master, code, until };
}

const python = skipUnlessProgram('python3');

describe.skipIf(python)('a pseudo terminal and two streams', () => {
  test('what is typed arrives, what is written comes, the end is the end', async () => {
    const { input, until, how, code } = await joined('read line; echo "got $line"; exit 7');
    input.write('hello\n');
    expect(await until('got hello')).toContain('got hello');
    expect(await how).toBe('ended');
    expect(await code).toBe(7);
  });

  test('^C is typed, and is a signal for the program only', async () => {
    const { input, until, how } = await joined(
      'trap "echo struck; exit 0" INT; echo ready; while :; do read x; done',
    );
    await until('ready');
    input.write('\x03');
    await until('struck');
    expect(await how).toBe('ended');
  });

  test('the last words of a program are heard, however many', async () => {
    const { output, how } = await joined('i=0; while [ $i -lt 5000 ]; do echo "line $i"; i=$((i+1)); done');
    let seen = '';
    output.on('data', (bytes: Buffer) => (seen += bytes.toString()));
    expect(await how).toBe('ended');
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.split('\r\n')).toHaveLength(5001);
    expect(seen).toContain('line 4999\r\n');
  });

  test('a size arrives', async () => {
    const { end, until, input } = await joined('read x; stty size; read x');
    end.resize(33, 101);
    input.write('\n');
    await until('33 101');
  });

  test('detach keys leave, the program stays', async () => {
    const { input, until, how, end } = await joined('echo ready; read line; echo "got $line"; read x');
    await until('ready');
    input.write('lost\x10');
    input.write('\x11');
    expect(await how).toBe('detached');
    const again = new PassThrough();
    const back = relay(sys, end, {
      input: again,
      output: new PassThrough(),
      terminal: undefined,
      detachKeys: undefined,
    });
    again.write('\n\n');
    expect(await back).toBe('ended');
  });

  test('a program that does not read holds up who types, and nobody else', async () => {
    const { input, end } = await joined('stty raw -echo; echo ready; exec sleep 1000');
    const flood = Buffer.alloc(65_536, 'x');
    let written = 0;
    while (input.write(flood) && written < 100) written += 1;
    // Still here: nothing blocked. What waits is held in the stream, not in memory without a bound.
    await expect.poll(() => input.isPaused()).toBe(true);
    expect(end.write(Buffer.from('y'))).toBeInstanceOf(Promise);
  });

  test('a reader that is slow holds up the program', async () => {
    const { output, how, until } = await joined('yes & read x; kill $!', 1000);
    await expect.poll(() => output.writableNeedDrain).toBe(true);
    const { writableLength } = output;
    // More turns of the loop bring no more than what was read already.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(output.writableLength).toBe(writableLength);
    await until('y');
    void how;
  });

  test('finish() ends it though a child of the program holds the terminal', async () => {
    const { end, how, code, output } = await joined('sleep 1000 & echo last words; trap "" HUP; echo $!');
    let seen = '';
    output.on('data', (bytes: Buffer) => (seen += bytes.toString()));
    expect(await code).toBe(0);
    end.finish();
    expect(await how).toBe('ended');
    await expect.poll(() => seen).toContain('last words');
  });

  test('input that ends detaches', async () => {
    const { input, how } = await joined('read x');
    input.end();
    expect(await how).toBe('detached');
  });

  test('what fails while relaying is the answer', async () => {
    const { master } = await pty(sys, ['true']);
    const end = new PtyEnd(sys, master);
    onTestFinished(() => end.close());
    const broken = relay(sys, end, {
      input: new PassThrough(),
      output: new PassThrough(),
      terminal: -1,
      detachKeys: undefined,
    });
    await expect(broken).rejects.toThrow(KernelError);
    await expect(broken).rejects.toMatchObject({ code: 'EBADF' });
  });
});

const folder = mkdtempSync(join(tmpdir(), 'ts-dock-relay-'));
const program = join(folder, 'relay.cjs');
const before = join(folder, 'before');
const after = join(folder, 'after');

async function expectRestored(screen: Terminal): Promise<void> {
  await screen.until(/^over/m);
  expect(readFileSync(after, 'utf8')).toBe(readFileSync(before, 'utf8'));
}

describe.skipIf(python || skipUnlessProgram('tmux'))("a person's terminal", () => {
  beforeAll(async () => {
    await build({
      entryPoints: ['test/cli/fake-relay.ts'],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      define: {
        'import.meta.dirname': JSON.stringify(join(import.meta.dirname, '../../dist')),
        'import.meta.filename': '__filename',
      },
    });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** As a shell with job control would start it: in the foreground. */
  const shown = (env: Readonly<Record<string, string>> = {}): Terminal =>
    terminal(
      `stty -a > ${before}; ${process.execPath} ${program}; echo "status $?"; stty -a > ${after}; echo over`,
      { PTY_SCRIPT: join(import.meta.dirname, 'in-pty.py'), ...env },
      [90, 30],
    );
  const pidOf = (seen: string): number => Number(/pid=(\d+)/.exec(seen)?.[1]);

  test('a shell inside: commands, its exit code, the terminal as before', async () => {
    const screen = shown();
    await screen.until(/^\S*[#$] *$/m);
    screen.keys('echo $((6*7)); stty size', 'Enter');
    const seen = await screen.until(/^30 90$/m);
    expect(seen).toMatch(/^42$/m);
    screen.keys('exit 3', 'Enter');
    await screen.until(/relay: ended[^]*status 3/);
    await expectRestored(screen);
  });

  test('^C, ^Z and ^\\ are the program’s, and detach keys leave', async () => {
    const screen = shown({ RELAY_PROGRAM: 'stty -a | grep -o "isig"; stty raw -echo; exec od -An -tx1 -N4' });
    await screen.until(/isig/);
    screen.keys('C-c', 'C-z', 'C-\\', 'C-p', 'x');
    await screen.until(/03 1a 1c 10/);
    await expectRestored(screen);
  });

  test('detached, the terminal is as before', async () => {
    const screen = shown();
    await screen.until(/^\S*[#$] *$/m);
    screen.keys('C-p', 'C-q');
    await screen.until(/relay: detached/);
    await expectRestored(screen);
  });

  test('a program that takes over the screen gets its line ends as it wants them', async () => {
    // Without -onlcr on our side, the terminal would return to the first column.
    const screen = shown({
      RELAY_PROGRAM: 'stty raw -echo; printf "abc\\ndef\\r\\n"; head -c 1 > /dev/null',
    });
    await screen.until(/^abc\s*\n {3}def/m);
    screen.keys('Enter');
    await expectRestored(screen);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('%s: the terminal is as before', async (signal, status) => {
    const screen = shown({ RELAY_PROGRAM: 'echo "pid=$RELAY_PID"; read x' });
    const seen = await screen.until(/pid=\d+/);
    process.kill(pidOf(seen), signal);
    await screen.until(new RegExp(`status ${status}`));
    await expectRestored(screen);
  });

  test('a signal that somebody else listens for is theirs', async () => {
    const screen = shown({ RELAY_LISTENS: '1', RELAY_PROGRAM: 'echo "pid=$RELAY_PID"; exec sh -i' });
    const seen = await screen.until(/pid=\d+[^]*^\S*[#$] *$/m);
    process.kill(pidOf(seen), 'SIGTERM');
    await screen.until(/^heard the signal$/m);
    screen.keys('exit', 'Enter');
    await expectRestored(screen);
  });

  test('a bug elsewhere: the terminal is as before', async () => {
    const screen = shown({ RELAY_THROWS: '1', RELAY_PROGRAM: 'echo "pid=$RELAY_PID"; read x' });
    process.kill(pidOf(await screen.until(/pid=\d+/)), 'SIGUSR1');
    await screen.until(/a bug/);
    await expectRestored(screen);
  });
});
