import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { plainStyle } from '../../src/cli/render/style.ts';
import { complete, helpText, parseCommand, WORDS } from '../../src/cli/terminal/commands.ts';
import { linesFrom, linesOf } from '../../src/cli/terminal/lines.ts';
import { Narrator } from '../../src/cli/terminal/narrator.ts';
import { ScriptedFrontEnd } from '../../src/cli/terminal/scripted.ts';
import { drive, STEPS, type Script } from './fake-engine.ts';

const ids = STEPS.map(({ id }) => id);

describe('what is typed', () => {
  test.each([
    ['', { command: 'next' }],
    ['n', { command: 'next' }],
    ['  next ', { command: 'next' }],
    ['c', { command: 'continue' }],
    ['cont', { command: 'continue' }],
    ['w', { command: 'walk' }],
    ['b init.exec', { command: 'break', pattern: 'init.exec' }],
    ['break start.*:after', { command: 'break', pattern: 'start.*:after' }],
    ['u init.exec', { command: 'unbreak', pattern: 'init.exec' }],
    ['l', { command: 'list' }],
    ['e', { command: 'explain', id: null }],
    ['explain init', { command: 'explain', id: 'init' }],
    ['d', { command: 'dump', what: null }],
    ['dump mounts', { command: 'dump', what: 'mounts' }],
    ['diff', { command: 'diff' }],
    ['k', { command: 'calls' }],
    ['q', { command: 'quit' }],
    ['?', { command: 'help' }],
    ['h', { command: 'help' }],
  ])('%j', (line, command) => {
    expect(parseCommand(line)).toEqual(command);
  });

  test.each([
    ['nxt', 'did you mean next'],
    ['brk init.exec', 'did you mean break'],
    ['b', 'break needs the name of a step'],
    ['n 3', 'next takes nothing, got "n 3"'],
    ['b a b', 'break takes STEP, got "b a b"'],
    ['constructor', 'is no command'],
  ])('%j is refused, with the nearest word where there is one', (line, hint) => {
    const parsed = parseCommand(line);
    expect(parsed).toMatchObject({ command: 'unknown' });
    expect(parsed.command === 'unknown' && parsed.text).toContain(hint);
  });

  test('help names every word', () => {
    for (const { word } of WORDS) expect(helpText()).toContain(word);
    for (const line of helpText().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test.each([
    ['', WORDS.map(({ word }) => word)],
    ['co', ['continue']],
    ['b la', ['launch.clone', 'launch.*']],
    ['break launch.', ['launch.clone', 'launch.*']],
    ['e la', ['launch.clone', 'launch']],
    ['dump m', ['mounts']],
    ['next i', []],
  ])('tab after %j', (line, choices) => {
    expect(complete(line, ids)).toEqual([choices, line.split(' ').at(-1)]);
  });
});

/** Runs a script of commands, and returns what was drawn, without the cards' texts. */
async function run(
  commands: string,
  script: Script = { stepping: true },
): Promise<{ out: string; how: string }> {
  let out = '';
  const narrator = new Narrator({
    write: (text) => (out += text),
    style: plainStyle(80),
    steps: true,
    cards: script.stepping,
    trace: false,
    showEnv: false,
    known: {},
  });
  const how = await drive(new ScriptedFrontEnd(narrator, linesOf(commands), script.stepping), script);
  return { out, how };
}

const heads = (out: string): string[] => [...out.matchAll(/^── \[(\d)\/4\]/gm)].map(([, n]) => n ?? '');
const passed = (out: string): string[] => [...out.matchAll(/^✓ \[(\d)\/4\]/gm)].map(([, n]) => n ?? '');

describe('a script', () => {
  test('steps, asks, and goes on at its end; what follows is shown all the same', async () => {
    const { out, how } = await run('n\n# a comment\ndiff\ncalls\nlist\ne init.exec\ndump\nh\n');
    expect(how).toBe('end');
    expect(heads(out)).toEqual(['1', '2', '3', '4']);
    for (const part of [
      'changed by start.mount-rootfs',
      'asked by start.mount-rootfs',
      '▶  2  launch.clone',
      'Become the program  init.exec',
      'SECRET=…',
      'hostname line 1  web',
      'exit code 0',
    ]) {
      expect(out).toContain(part);
    }
    expect(out).not.toContain('SECRET=x');
    expect(out).not.toContain('comment');
    expect(out.indexOf('undo  1 thing, last first: the container has ended')).toBeGreaterThan(0);
  });

  test('no commands at all: every step is shown, nobody is waited for', async () => {
    expect(heads((await run('')).out)).toEqual(['1', '2', '3', '4']);
  });

  test('continue: a line for each step until the next stop', async () => {
    const { out } = await run('b exit.wait\nc\n');
    expect(heads(out)).toEqual(['1', '4']);
    expect(passed(out)).toEqual(['2', '3']);
    expect(out).toContain('breakpoints: exit.wait');
  });

  test('a breakpoint alone: lines before it, a card there, lines after the end of the script', async () => {
    const { out } = await run('', { stepping: false, breakpoints: ['init.exec'] });
    expect(heads(out)).toEqual(['3']);
    expect(passed(out)).toEqual(['1', '2', '4']);
  });

  test('walk: every card to the end', async () => {
    const { out } = await run('walk\n', { stepping: false, breakpoints: ['launch.clone'] });
    expect(heads(out)).toEqual(['2', '3', '4']);
  });

  test('quit', async () => {
    const { out, how } = await run('n\nq\n');
    expect(how).toBe('quit');
    expect(heads(out)).toEqual(['1', '2']);
    expect(out).toContain('you asked for the end');
  });

  test('a mistake is said, and the next line is read', async () => {
    const { out } = await run('brake\nq\n');
    expect(out).toContain('"brake" is no command; did you mean break?');
  });

  test('each stage gets its card once', async () => {
    const { out } = await run('');
    expect([...out.matchAll(/^── stage (\w+)/gm)].map(([, name]) => name)).toEqual([
      'start',
      'launch',
      'init',
      'exit',
    ]);
  });
});

describe('lines of a stream', () => {
  test('are read in any pieces, the last without its end as well', async () => {
    const stream = new PassThrough();
    const lines = linesFrom(stream);
    stream.write('ne');
    const first = lines.next();
    stream.write('xt\nc');
    expect(await first).toBe('next');
    stream.end('ontinue');
    expect(await lines.next()).toBe('continue');
    expect(await lines.next()).toBeUndefined();
    lines.close();
  });

  test('nothing is read before a line is asked for', () => {
    const asked: string[] = [];
    const source = new Proxy(new PassThrough(), {
      get: (target, key) => {
        asked.push(String(key));
        return Reflect.get(target, key) as unknown;
      },
    });
    linesFrom(source).close();
    expect(asked.filter((key) => key === 'resume' || key === 'read')).toEqual([]);
  });

  test('who says nothing in time is not there', async () => {
    const lines = linesFrom(new PassThrough(), 20);
    expect(await lines.next()).toBeUndefined();
    expect(await lines.next()).toBeUndefined();
  });

  test('who has spoken once is waited for', async () => {
    const stream = new PassThrough();
    const lines = linesFrom(stream, 20);
    stream.write('n\n');
    expect(await lines.next()).toBe('n');
    const next = lines.next();
    await new Promise((resolve) => setTimeout(resolve, 60));
    stream.write('c\n');
    expect(await next).toBe('c');
  });

  test.each([
    ['/dev/null', ''],
    ['a file', 'file'],
    ['a closed pipe', 'pipe'],
  ])('standard input can be %s', async (_, kind) => {
    // In a process of its own: the kinds differ in what Node makes of descriptor 0.
    const { build } = await import('esbuild');
    const bundled = await build({
      entryPoints: ['src/cli/terminal/lines.ts'],
      bundle: true,
      write: false,
      format: 'cjs',
      platform: 'node',
    });
    const code = `${bundled.outputFiles[0]?.text ?? ''}; (async () => { const l = module.exports.linesFrom(process.stdin); let n = 0; while (await l.next() !== undefined) n++; l.close(); console.log(n); })()`;
    const redirect =
      kind === '' ? '< /dev/null' : kind === 'file' ? '< package.json' : '< <(printf "n\\nn\\n")';
    const child = spawn('bash', ['-c', `"$0" -e "$1" ${redirect}`, process.execPath, code]);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(status).toBe(0);
    const count = Number(out);
    expect(kind === '' ? count === 0 : kind === 'file' ? count > 10 : count === 2).toBe(true);
  });
});
