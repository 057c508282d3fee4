/**
 * A program of ours that outlives us: a session of its own, `/` for its folder, its standard streams nowhere, none of our
 * descriptors, and, unless it is to have ours, the lowest priority. By the addon, since Node's child_process takes 5 ms to be loaded and used.
 */
import { constants, setPriority } from 'node:os';
import { refusedWith } from './calls.ts';
import { AT_FDCWD, O, POLL } from './flags.ts';
import type { Kernel } from './kernel.ts';

export interface DetachedProgram {
  /** A script for the Node that runs us. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `lowest` without a word: it yields to everything else on this machine. */
  readonly priority?: 'lowest' | 'ours';
}

export function startDetached(sys: Kernel, program: DetachedProgram): void {
  start(sys, program, undefined);
}

/** The first line that it says; undefined when it ends without one. It goes on without us. */
export async function answerOf(sys: Kernel, program: DetachedProgram): Promise<string | undefined> {
  const [ours, theirs] = sys.socketpair();
  try {
    try {
      start(sys, program, theirs);
    } finally {
      sys.close(theirs);
    }
    return await firstLine(sys, ours);
  } finally {
    sys.close(ours);
  }
}

function start(
  sys: Kernel,
  { script, args, env, priority = 'lowest' }: DetachedProgram,
  output: number | undefined,
): void {
  const exe = sys.openat2(AT_FDCWD, process.execPath, O.RDONLY | O.CLOEXEC, 0, 0);
  const nowhere = sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0);
  try {
    const { pid, pidfd } = sys.clone({
      exe,
      argv: [process.execPath, script, ...args],
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      flags: 0,
      cwd: '/',
      fds: [nowhere, output ?? nowhere, nowhere],
      detached: true,
    });
    // Not before its exec, for which we wait.
    if (priority === 'lowest') setPriority(pid, constants.priority.PRIORITY_LOW);
    sys.close(pidfd);
  } finally {
    sys.close(exe);
    sys.close(nowhere);
  }
}

function firstLine(sys: Kernel, fd: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const watch = sys.watch(fd, POLL.IN, () => {
      const got = read(sys, fd);
      if (got === undefined) return;
      text += got.toString('utf8');
      if (got.length > 0 && !text.includes('\n')) return;
      watch.stop();
      resolve(text.includes('\n') ? text.slice(0, text.indexOf('\n')) : undefined);
    });
  });
}

function read(sys: Kernel, fd: number): Buffer | undefined {
  try {
    return sys.recv(fd, 65_536)?.bytes;
  } catch (error) {
    if (refusedWith(error, 'ECONNRESET')) return Buffer.alloc(0);
    throw error;
  }
}
