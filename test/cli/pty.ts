/** A pseudo terminal with a program in it, and its master here. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Kernel } from '../../src/kernel/kernel.ts';

export interface Pty {
  readonly master: number;
  readonly child: ChildProcess;
  /** The program's exit code. */
  readonly code: Promise<number | null>;
}

/** @param script - where `in-pty.py` lies: a bundled fixture does not know */
export async function pty(
  sys: Kernel,
  argv: readonly string[],
  script = join(import.meta.dirname, 'in-pty.py'),
): Promise<Pty> {
  const [here, there] = sys.socketpair();
  const child = spawn('python3', [script, ...argv], { stdio: ['ignore', 'inherit', 'inherit', there] });
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  sys.close(there);
  await sys.readable(here);
  const master = sys.recv(here, 16)?.fds[0];
  sys.close(here);
  if (master === undefined) throw new Error('python3 sent no terminal');
  return { master, child, code };
}
