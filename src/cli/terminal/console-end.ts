/** The container's side of a terminal, wherever its master is: here in this process, or behind a socket. */
import { KernelError } from '../../kernel/calls.ts';
import type { Watch } from '../../kernel/binding.ts';
import { POLL } from '../../kernel/flags.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export interface ConsoleEnd {
  /** Set once, by who relays. What came before is kept until then. */
  onData(heard: (bytes: Buffer) => void): void;
  /** The container's side is gone: called once, after its last bytes, at once if it is gone already. */
  onEnd(over: () => void): void;
  /** Everything is taken; where a promise comes back, write no more until it resolves. It resolves at the end too. */
  write(bytes: Uint8Array): Promise<void> | undefined;
  /** While paused, at most what is on its way already is still heard. */
  pause(): void;
  resume(): void;
  resize(rows: number, columns: number): void;
  /** Idempotent. Nothing is heard after it, not even the end. */
  close(): void;
}

const CHUNK = 65_536;

/**
 * The master of a pseudo terminal. Not by tty.ReadStream, which writes to a master only in the blocking manner: a program
 * that does not read would then hold all of ts-dock. Takes over `master`.
 */
export class PtyEnd implements ConsoleEnd {
  private readonly sys: Kernel;
  private readonly master: number;
  private heard: ((bytes: Buffer) => void) | undefined;
  private over: (() => void) | undefined;
  private reading: Watch | undefined;
  private writing: Watch | undefined;
  private waiting: Uint8Array[] = [];
  private settle: (() => void) | undefined;
  private full: Promise<void> | undefined;
  private ended = false;
  private closed = false;

  constructor(sys: Kernel, master: number) {
    this.sys = sys;
    this.master = master;
    sys.nonblocking(master);
  }

  onData(heard: (bytes: Buffer) => void): void {
    this.heard = heard;
    this.resume();
  }

  onEnd(over: () => void): void {
    this.over = over;
    if (this.ended && !this.closed) over();
  }

  pause(): void {
    this.reading?.stop();
    this.reading = undefined;
  }

  resume(): void {
    if (this.closed || this.ended || this.heard === undefined) return;
    this.reading ??= this.sys.watch(this.master, POLL.IN, () => {
      this.read();
    });
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.closed || this.ended) return undefined;
    this.waiting.push(bytes);
    this.flush();
    return this.full;
  }

  resize(rows: number, columns: number): void {
    if (!this.closed) this.sys.setWindowSize(this.master, rows, columns);
  }

  /** The process has ended: what it wrote last is read, and then it is the end, though others may hold its terminal open. */
  finish(): void {
    while (!this.closed && !this.ended && this.read());
    this.end();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pause();
    this.release();
    this.sys.close(this.master);
  }

  /** False when there was nothing, or the end. */
  private read(): boolean {
    const bytes = this.attempt(() => this.sys.readNow(this.master, CHUNK));
    if (bytes === 'gone' || bytes?.length === 0) this.end();
    else if (bytes !== undefined) this.heard?.(bytes);
    return Buffer.isBuffer(bytes) && bytes.length > 0;
  }

  private flush(): void {
    for (let [first] = this.waiting; first !== undefined; [first] = this.waiting) {
      const bytes = first;
      const written = this.attempt(() => this.sys.writeNow(this.master, bytes));
      if (written === 'gone') break;
      if (written === undefined) {
        this.full ??= new Promise((resolve) => (this.settle = resolve));
        this.writing ??= this.sys.watch(this.master, POLL.OUT, () => {
          this.flush();
        });
        return;
      }
      if (written < bytes.length) this.waiting[0] = bytes.subarray(written);
      else this.waiting.shift();
    }
    this.release();
  }

  /** EIO: nobody holds the other side any more, which is how a terminal says that it has ended. */
  private attempt<T>(ask: () => T): T | 'gone' {
    try {
      return ask();
    } catch (error) {
      if (error instanceof KernelError && error.code === 'EIO') return 'gone';
      throw error;
    }
  }

  /** Nothing is waiting to be written any more: whoever waited for room goes on. */
  private release(): void {
    this.waiting = [];
    this.writing?.stop();
    this.writing = undefined;
    this.full = undefined;
    this.settle?.();
    this.settle = undefined;
  }

  private end(): void {
    if (this.ended || this.closed) return;
    this.ended = true;
    this.pause();
    this.release();
    this.over?.();
  }
}
