/**
 * A person's terminal joined to a container's: every byte goes through, ^C among them, which the container's own terminal
 * turns into a signal for the container's own processes. The person's terminal gets its modes back whatever happens.
 */
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ConsoleEnd } from './console-end.ts';
import { DetachWatch } from './detach-keys.ts';

export interface Screen {
  /** What is typed; undefined when the container gets none of it (`-t` without `-i`). */
  readonly input: Readable | undefined;
  readonly output: Writable;
  /** A descriptor of the terminal that has modes and a size; undefined where neither stream is one. */
  readonly terminal: number | undefined;
  /** The bytes of the keys that leave; undefined: none do. */
  readonly detachKeys: Uint8Array | undefined;
}

/** 'detached': by the keys, or because the person's terminal is gone. The caller closes `end`. */
export type RelayEnd = 'ended' | 'detached';

export function relay(sys: Kernel, end: ConsoleEnd, screen: Screen): Promise<RelayEnd> {
  const { input, output, terminal } = screen;
  const watch = screen.detachKeys === undefined ? undefined : new DetachWatch(screen.detachKeys);
  const modes = input === undefined || terminal === undefined ? undefined : new Modes(sys, terminal);
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (settle: () => void): void => {
      if (over) return;
      over = true;
      input?.off('data', typed).off('end', left).off('error', left).pause();
      output.off('drain', drained).off('error', left);
      process.off('SIGWINCH', resized).off('SIGCONT', woken);
      end.pause();
      modes?.restore();
      settle();
    };
    /** What fails in a callback must not leave the terminal raw behind an error that nobody can read. */
    const guarded = (act: () => void) => (): void => {
      try {
        act();
      } catch (error) {
        finish(() => {
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      }
    };
    const left = (): void => {
      finish(() => {
        resolve('detached');
      });
    };
    const typed = (bytes: Buffer): void => {
      guarded(() => {
        const { pass, detached } = watch?.feed(bytes) ?? { pass: bytes, detached: false };
        const full = pass.length > 0 ? end.write(pass) : undefined;
        if (detached) left();
        else if (full !== undefined) waitFor(full);
      })();
    };
    const waitFor = (room: Promise<void>): void => {
      input?.pause();
      void room.then(() => {
        if (!over) input?.resume();
      });
    };
    const drained = (): void => {
      end.resume();
    };
    const resized = guarded(() => {
      if (terminal === undefined) return;
      const { rows, columns } = sys.windowSize(terminal);
      // A terminal that does not know its size says zero.
      if (rows > 0 && columns > 0) end.resize(rows, columns);
    });
    const woken = guarded(() => {
      // The shell that had us stopped has set the terminal for itself.
      modes?.raw();
      resized();
    });

    guarded(() => {
      modes?.raw();
      resized();
      process.on('SIGWINCH', resized).on('SIGCONT', woken);
      output.on('drain', drained).on('error', left);
      end.onEnd(() => {
        finish(() => {
          resolve('ended');
        });
      });
      if (over) return;
      end.onData((bytes) => {
        if (!over && !output.write(bytes)) end.pause();
      });
      input?.on('data', typed).on('end', left).on('error', left).resume();
    })();
  });
}

const DEADLY = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

/** The modes of the person's terminal: raw, and as they were. Restored at the latest when this process ends. */
class Modes {
  private readonly sys: Kernel;
  private readonly terminal: number;
  private former: Uint8Array | undefined;

  constructor(sys: Kernel, terminal: number) {
    this.sys = sys;
    this.terminal = terminal;
  }

  raw(): void {
    if (this.former !== undefined) {
      this.sys.makeRaw(this.terminal);
      return;
    }
    this.former = this.sys.makeRaw(this.terminal);
    process.on('exit', this.restore);
    for (const signal of DEADLY) process.on(signal, this.struck);
  }

  readonly restore = (): void => {
    const { former } = this;
    if (former === undefined) return;
    this.former = undefined;
    process.off('exit', this.restore);
    for (const signal of DEADLY) process.off(signal, this.struck);
    try {
      this.sys.setTerminalModes(this.terminal, former);
    } catch {
      // The terminal itself is gone (EIO after a hang-up): there is nothing to give back, and nobody to tell.
    }
  };

  /** Who listens for the signal decides what it means; if nobody does, it ends this process, as it would have without us. */
  private readonly struck = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    this.restore();
    process.kill(process.pid, constants.signals[signal]);
  };
}
