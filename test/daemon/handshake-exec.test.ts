/** The two frames of the handshake that bring a descriptor: a terminal's master, and the process that goes on after a fork. */
import { openSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { Handshake } from '../../src/daemon/handshake.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import type { StepId } from '../../src/engine/step.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const sys = new Kernel();
const STEPS: readonly StepId[] = ['exec.fork', 'exec.console', 'exec.exec'];
const python = '/usr/bin/python3';
type Action = readonly [string, ...unknown[]];

const enter = (step: string): Action => ['send', { t: 'enter', step, at: 1 }];
const leave = (step: string): Action => [
  'send',
  { t: 'leave', step, start: 1, at: 2, calls: [], more: 0, notes: {} },
];
const READY: Action = ['send', { t: 'ready', start: 1, at: 2, calls: [], more: 0, notes: {} }];
const FORK: readonly Action[] = [enter('exec.fork'), ['fork'], ['self'], leave('exec.fork')];
const CONSOLE: readonly Action[] = [enter('exec.console'), ['fd'], leave('exec.console')];

const fakes: { handshake: Handshake; pidfd: number }[] = [];
afterEach(async () => {
  for (const { handshake, pidfd } of fakes.splice(0)) {
    handshake.close();
    await sys.readable(pidfd);
    sys.waitPidfd(pidfd);
    sys.close(pidfd);
  }
});

function fake(actions: readonly Action[], tty = true): Handshake {
  const [parent, child] = sys.socketpair();
  const exe = openSync(python, 'r');
  const argv = ['python3', '-I', `${import.meta.dirname}/fake-init.py`, JSON.stringify(actions)];
  const { pidfd } = sys.clone({ exe, argv, env: [], flags: 0, cwd: '/', fds: [0, 1, 2, child] });
  sys.close(exe);
  sys.close(child);
  const handshake = new Handshake({
    sys,
    pipe: parent,
    pidfd,
    steps: STEPS,
    gated: false,
    forkStep: 'exec.fork',
    ...(tty ? { consoleStep: 'exec.console' } : {}),
  });
  handshake.permit('exec.exec');
  fakes.push({ handshake, pidfd });
  return handshake;
}

/** What `run` came to: the numbers of the descriptors, or why it failed. */
async function walk(handshake: Handshake, tty = true): Promise<string> {
  try {
    await handshake.left('exec.fork');
    sys.close(await handshake.child());
    await handshake.left('exec.console');
    if (tty) sys.close(await handshake.console());
    await handshake.ready();
    await handshake.over();
    return 'believed';
  } catch (error) {
    if (error instanceof TsDockError) return `${error.reason}: ${error.message}`;
    throw error;
  }
}

describe('a process that forks and sends a terminal', () => {
  it('is believed, though the first one ended', async () => {
    expect(await walk(fake([...FORK, ...CONSOLE, enter('exec.exec'), READY]))).toBe('believed');
  });

  it.each([
    ['leaves the fork without a child', [enter('exec.fork'), leave('exec.fork')], /`leave` for exec\.fork/],
    ['sends a child twice', [enter('exec.fork'), ['self'], ['self']], /descriptor that nobody asked for/],
    ['sends a child before the fork', [['self']], /descriptor that nobody asked for/],
    ['sends a child without a descriptor', [enter('exec.fork'), ['send', { t: 'child' }]], /`child`/],
    ['sends two descriptors', [enter('exec.fork'), ['fds', 'child', 2]], /descriptor that nobody asked for/],
    ['sends a terminal too early', [enter('exec.fork'), ['fd']], /descriptor that nobody asked for/],
    ['sends none', [...FORK, enter('exec.console'), leave('exec.console')], /no `console`/],
    ['sends a terminal twice', [...FORK, enter('exec.console'), ['fd'], ['fd']], /nobody asked for/],
    ['sends one with another frame', [['fds', 'enter', 1]], /may not come now|nobody asked for/],
    ['ends after the fork', [...FORK, ['exit', 0]], /ended without a word at exec\.console/],
    ['ends before it', [['exit', 0]], /ended without a word at exec\.fork/],
  ] as const)('and %s', async (_, actions, why) => {
    expect(await walk(fake([...actions, ['await', 'never']]))).toMatch(why);
  });

  it('sends a terminal that nobody asked for', async () => {
    expect(await walk(fake([...FORK, ...CONSOLE], false), false)).toMatch(/descriptor that nobody asked for/);
  });
});
