/**
 * A root of its own for each test, the command line beside it, and the host as it was afterwards.
 *
 * Called within a test, `sandbox()` sees to its own end: containers are recovered and removed, `host down`, and what the
 * census then still finds fails the test. Elsewhere (beforeAll) the caller disposes.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { sandboxPrefix, settle, takeCensus } from './census.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');

export interface RunOptions {
  /** Added to a small environment (PATH, HOME, LANG): what the caller's shell has set must not decide a test. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input: a text, or 'open' for {@link Live.write}; without it, /dev/null. */
  readonly stdin?: string;
  /** Milliseconds until the program is killed and the promise rejected; 30 s. */
  readonly timeout?: number;
  /** Milliseconds after its end within which its output must be closed; 5 s. */
  readonly grace?: number;
  readonly cwd?: string;
}

export interface Done {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that may still run. */
export interface Live {
  readonly pid: number;
  readonly child: ChildProcessByStdio<Writable | null, Readable, Readable>;
  /** Rejects on timeout, and when something still holds the output seconds after the program's end. */
  readonly done: Promise<Done>;
  /** What was written so far. */
  output(): { readonly stdout: string; readonly stderr: string };
  /** Resolves as soon as `pattern` stands in either output; rejects when the program ends without it. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  write(text: string): void;
}

export interface Sandbox {
  /** Parent of the root, for whatever else the test needs on disk (bind sources); removed at the end. */
  readonly folder: string;
  readonly root: string;
  /** `ts-dock --root ROOT ...args`, to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Done>;
  /** The same, not waited for. */
  start(args: readonly string[], options?: RunOptions): Live;
  /** Ends and removes all; throws an error that lists what was left behind. Idempotent. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SandboxOptions {
  /** The caller disposes (beforeAll and afterAll). */
  readonly manual?: boolean;
  /** Another program than dist/ts-dock.cjs: the sandbox's own tests. */
  readonly program?: string;
  /** Milliseconds that the host may take to be as it was; 10 s. */
  readonly patience?: number;
}

/** Starts a program under the rules of {@link RunOptions}; `sandbox().start` for the bundle. */
export function launch(command: string, args: readonly string[], options: RunOptions = {}): Live {
  const { HOME = '/root', PATH = '/usr/sbin:/usr/bin:/sbin:/bin' } = process.env;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { HOME, PATH, LANG: 'C.UTF-8', ...options.env },
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
  const seen = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (seen[stream] += text));
  }
  // A program may end before it has read all: that is its business.
  child.stdin?.on('error', () => undefined);
  if (options.stdin !== undefined && options.stdin !== 'open') child.stdin?.end(options.stdin);

  const shown = [command, ...args].join(' ');
  const done = finish(child, options, shown, seen);
  // Whoever awaits it gets the error; until then it must not count as unhandled.
  done.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    child,
    done,
    output: () => ({ ...seen }),
    until: (pattern) => waitFor(child, pattern, shown, seen),
    write: (text) => {
      if (child.stdin === null) throw new Error(`${shown} was not given a standard input`);
      child.stdin.write(text);
    },
  };
}

type Seen = Readonly<Record<'stdout' | 'stderr', string>>;

function told(seen: Seen): string {
  return `standard output:\n${seen.stdout}\nstandard error:\n${seen.stderr}`;
}

function finish(child: Live['child'], options: RunOptions, shown: string, seen: Seen): Promise<Done> {
  const { timeout = 30_000, grace = 5_000 } = options;
  return new Promise((resolve, reject) => {
    let late: NodeJS.Timeout | undefined;
    const give = (why: string): void => {
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new Error(`${shown} ${why}\n${told(seen)}`));
    };
    const deadline = setTimeout(() => {
      child.kill('SIGKILL');
      give(`did not end within ${timeout} ms`);
    }, timeout);
    child.once('error', (error) => {
      clearTimeout(deadline);
      reject(error);
    });
    child.once('exit', () => {
      clearTimeout(deadline);
      // Normally `close` follows at once. If not, a process that should be gone holds the pipe.
      late = setTimeout(() => give('has ended, but something still holds its output'), grace);
    });
    child.once('close', (code, signal) => {
      clearTimeout(late);
      resolve({ code, signal, ...seen });
    });
  });
}

function waitFor(child: Live['child'], pattern: RegExp, shown: string, seen: Seen): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const streams = [child.stdout, child.stderr];
    const stop = (): void => {
      for (const stream of streams) stream.off('data', look);
      child.off('close', ended);
    };
    const look = (): void => {
      const match = pattern.exec(seen.stdout) ?? pattern.exec(seen.stderr);
      if (match === null) return;
      stop();
      resolve(match);
    };
    const ended = (): void => {
      stop();
      reject(new Error(`${shown} ended without ${pattern.source}\n${told(seen)}`));
    };
    for (const stream of streams) stream.on('data', look);
    child.once('close', ended);
    look();
  });
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

export async function sandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const program = options.program ?? bundle;
  if (!existsSync(program)) throw new Error(`there is no ${program}: npm run build makes it`);
  const folder = mkdtempSync(join(process.env['TS_DOCK_TEST_DIR'] ?? tmpdir(), sandboxPrefix));
  const root = join(folder, 'root');
  const before = takeCensus({ root });
  const alive = new Set<Live>();

  const start = (args: readonly string[], runOptions: RunOptions = {}): Live => {
    const live = launch(process.execPath, [program, '--root', root, ...args], { cwd: folder, ...runOptions });
    alive.add(live);
    const forget = (): boolean => alive.delete(live);
    live.done.then(forget, forget);
    return live;
  };
  const run = (args: readonly string[], runOptions?: RunOptions): Promise<Done> =>
    start(args, runOptions).done;

  const cleanUp = async (): Promise<string[]> => {
    for (const live of alive) live.child.kill('SIGKILL');
    await Promise.allSettled([...alive].map((live) => live.done));
    if (!existsSync(root)) return [];

    const troubles: string[] = [];
    const tidy = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await run(args);
      if (code !== 0)
        troubles.push(`ts-dock ${args.join(' ')} ended with ${code ?? 'a signal'}: ${stderr.trim()}`);
    };
    await tidy('recover');
    for (const id of namesIn(join(root, 'containers'))) await tidy('rm', '-f', id);
    await tidy('host', 'down');
    for (const place of ['containers', 'overlay/mnt', 'execdriver/native']) {
      for (const name of namesIn(join(root, place)))
        troubles.push(`file ${place}/${name} is left in the root`);
    }
    return troubles;
  };

  let disposed: Promise<void> | undefined;
  const dispose = (): Promise<void> =>
    (disposed ??= (async () => {
      const left = [
        ...(await cleanUp()),
        ...(await settle(before, () => takeCensus({ root }), options.patience)),
      ];
      // Never through a mount that was left: behind it may be what is not ours.
      if (!mountedBelow(folder)) rmSync(folder, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind on the host:\n  ${left.join('\n  ')}`);
    })());
  if (options.manual !== true) onTestFinished(dispose);
  return Promise.resolve({ folder, root, run, start, dispose, [Symbol.asyncDispose]: dispose });
}

function mountedBelow(folder: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder}/`);
}
