/** A real terminal for a test: tmux on a socket of its own, keys in, screen out. Nothing sleeps: what has to appear is polled for. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

export interface Terminal {
  /** As tmux names them: `Enter`, `C-c`, `Tab`, `Up`; other text is typed as it stands. */
  keys(...keys: string[]): void;
  /** The screen and what has scrolled away. */
  screen(): string;
  /** Resolves with the screen as soon as `pattern` is on it. */
  until(pattern: RegExp, milliseconds?: number): Promise<string>;
}

export function terminal(
  command: string,
  env: Readonly<Record<string, string>> = {},
  size: readonly [number, number] = [80, 50],
): Terminal {
  const socket = `ts-dock-${randomBytes(4).toString('hex')}`;
  const tmux = (...args: string[]): string =>
    execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  // The shell stays until it is told to go: a pane that ends takes its last words with it.
  execFileSync(
    'tmux',
    [
      '-L',
      socket,
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      String(size[0]),
      '-y',
      String(size[1]),
      ...['env', ...settings, 'sh', '-c', `${command}\nread done`],
    ],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: '/root',
        LANG: 'C.UTF-8',
        LC_ALL: 'C.UTF-8',
        TERM: 'xterm-256color',
        SHELL: '/bin/sh',
      },
    },
  );
  onTestFinished(() => {
    tmux('kill-server');
  });
  const screen = (): string => tmux('capture-pane', '-p', '-S', '-2000');
  return {
    keys: (...keys) => void tmux('send-keys', ...keys),
    screen,
    until: async (pattern, milliseconds = 20_000) => {
      const deadline = Date.now() + milliseconds;
      for (let wait = 10; Date.now() < deadline; wait = Math.min(200, wait * 2)) {
        const seen = screen();
        if (pattern.test(seen)) return seen;
        await pause(wait);
      }
      throw new Error(`${pattern.source} did not appear:\n${screen()}`);
    },
  };
}
