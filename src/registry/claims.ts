/**
 * Two pulls that want the same blob: one has it, the other waits until it is done or dead, and then finds what there is.
 * The claim is a record lock on a file of its own beside the blob: it falls when *any* descriptor of the locked file is
 * closed, so the blob itself can be opened and closed meanwhile. Claims are taken in one order, so that no two pulls wait
 * for each other.
 */
import { join } from 'node:path';
import { HttpError } from '../kernel/http.ts';
import type { Watch } from '../kernel/binding.ts';
import { refusedWith } from '../kernel/calls.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { pause } from './registry.ts';

export interface Waiting {
  readonly hex: string;
  /** Process that has it. */
  readonly pid: number;
}

/** Milliseconds between two looks at a folder in which something happens all the time. */
const LOOK_EVERY = 25;

export class Claims {
  readonly #sys: Kernel;
  readonly #folder: string;
  readonly #held = new Map<string, number>();

  constructor(sys: Kernel, folder: string) {
    this.#sys = sys;
    this.#folder = folder;
  }

  /** Of a blob: whole, begun, and the file that is locked. */
  static paths(
    folder: string,
    hex: string,
  ): { readonly whole: string; readonly part: string; readonly lock: string } {
    const whole = join(folder, hex);
    return { whole, part: `${whole}.part`, lock: `${whole}.lock` };
  }

  has(hex: string): boolean {
    return this.#held.has(hex);
  }

  /** Waits as long as it takes. @throws HttpError `ABORTED` */
  async take(hex: string, signal: AbortSignal | undefined, waiting: (who: Waiting) => void): Promise<void> {
    let told = 0;
    while (!this.tryTake(hex)) {
      const pid = this.#holder(hex);
      // Nobody any more; or somebody whom we cannot see, as he is in another process namespace.
      if (pid <= 0) {
        await pause(LOOK_EVERY, signal);
        continue;
      }
      if (pid !== told) waiting({ hex, pid });
      told = pid;
      await this.#changed(pid, signal);
    }
  }

  tryTake(hex: string): boolean {
    if (this.#held.has(hex)) return true;
    const { lock } = Claims.paths(this.#folder, hex);
    const fd = this.#sys.lock(lock, false);
    if (fd === undefined) return false;
    // Whoever had it may have removed the file between our opening and our locking: then there is another one by now.
    if (this.#inode(lock) !== this.#sys.fstat(fd).ino) {
      this.#sys.close(fd);
      return this.tryTake(hex);
    }
    this.#held.set(hex, fd);
    return true;
  }

  /** Removes the blob, whole or begun, and lets go of it. */
  drop(hex: string): void {
    const { whole, part } = Claims.paths(this.#folder, hex);
    for (const path of [whole, part]) this.#unlink(path);
    this.letGo(hex);
  }

  /** The blob stays for whoever comes next. */
  letGo(hex: string): void {
    const fd = this.#held.get(hex);
    if (fd === undefined) return;
    this.#held.delete(hex);
    // First the name: who waits then locks a file that nobody else can have.
    this.#unlink(Claims.paths(this.#folder, hex).lock);
    this.#sys.close(fd);
  }

  letAllGo(): void {
    for (const hex of [...this.#held.keys()]) this.letGo(hex);
  }

  #inode(path: string): number {
    try {
      return this.#sys.lstat(path).ino;
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) return -1;
      throw error;
    }
  }

  #unlink(path: string): void {
    try {
      this.#sys.unlink(path);
    } catch (error) {
      if (!refusedWith(error, 'ENOENT')) throw error;
    }
  }

  #holder(hex: string): number {
    try {
      return this.#sys.lockHolder(Claims.paths(this.#folder, hex).lock);
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) return 0;
      throw error;
    }
  }

  /** Resolves when the holder has ended, or something happened in the folder. */
  async #changed(pid: number, signal: AbortSignal | undefined): Promise<void> {
    let pidfd: number;
    try {
      pidfd = this.#sys.pidfdOpen(pid);
    } catch (error) {
      if (refusedWith(error, 'ESRCH')) return pause(LOOK_EVERY, signal);
      throw error;
    }
    const watches: Watch[] = [];
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const stop = (): void => reject(new HttpError('ABORTED', 'it was broken off'));
        if (signal?.aborted === true) {
          stop();
          return;
        }
        signal?.addEventListener('abort', stop, { once: true });
        watches.push({ stop: () => signal?.removeEventListener('abort', stop) });
        watches.push(this.#sys.watch(pidfd, POLL.IN, () => resolve()));
        // A blob that grows is a change a thousand times.
        const later = (): void => {
          timer ??= setTimeout(resolve, LOOK_EVERY);
        };
        watches.push(this.#sys.changesIn(this.#folder, later));
        // It may have let go before we began to look.
        later();
      });
    } finally {
      clearTimeout(timer);
      for (const watch of watches) watch.stop();
      this.#sys.close(pidfd);
    }
  }
}
