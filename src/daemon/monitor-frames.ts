/**
 * Frames of native/monitor/PROTOCOL.md over a Unix stream: a length, then fields separated by NUL, the first is the type.
 * What cannot be sent at once waits here; {@link FrameSocket.send} says when so much waits that the sender should too.
 */
import type { Watch } from '../kernel/binding.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** Longest frame, without its length prefix. */
const FRAME_LIMIT = 4 * 1024 * 1024;

/** As much may wait to be sent before the sender is asked to wait, too. */
const BACKLOG = 256 * 1024;

export interface MonitorFrame {
  readonly type: string;
  /** All behind the type, as it came: `out` and `err` carry raw bytes. */
  readonly rest: Buffer;
}

export interface Listener {
  frame(frame: MonitorFrame): void;
  /** The other end is gone, or sends what is no frame. Called once. */
  ended(): void;
}

export class FrameSocket {
  /** Descriptors that came, oldest first; whoever expects one takes it. */
  readonly descriptors: number[] = [];
  private readonly sys: Kernel;
  private readonly fd: number;
  private listener: Listener | undefined;
  private reading: Watch | undefined;
  private writing: Watch | undefined;
  private received: Buffer = Buffer.alloc(0);
  private queue: { readonly bytes: Buffer; readonly fds: readonly number[] }[] = [];
  private waiting = 0;
  private drained: () => void = () => undefined;
  private closed = false;

  /** Owns `fd` from now on. Reads nothing before {@link listen}. */
  constructor(sys: Kernel, fd: number) {
    this.sys = sys;
    this.fd = fd;
  }

  listen(listener: Listener): void {
    this.listener = listener;
    this.resume();
  }

  /** What comes stays with the kernel until {@link resume}. */
  pause(): void {
    this.reading?.stop();
    this.reading = undefined;
  }

  resume(): void {
    if (this.closed || this.listener === undefined) return;
    this.reading ??= this.sys.watch(this.fd, POLL.IN, () => {
      this.read();
    });
  }

  /** False where so much waits to be sent that nothing more should come before {@link whenDrained}. */
  send(fields: readonly (string | number)[], fds: readonly number[] = []): boolean {
    return this.push(Buffer.from(fields.join('\0')), fds);
  }

  sendBytes(type: string, bytes: Uint8Array): boolean {
    return this.push(Buffer.concat([Buffer.from(`${type}\0`), bytes]), []);
  }

  whenDrained(): Promise<void> {
    if (this.closed || this.waiting <= BACKLOG) return Promise.resolve();
    return new Promise((resolve) => (this.drained = resolve));
  }

  /** Idempotent. What was not sent yet is lost. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pause();
    this.writing?.stop();
    for (const fd of this.descriptors.splice(0)) this.sys.close(fd);
    this.sys.close(this.fd);
    this.drained();
  }

  private push(body: Buffer, fds: readonly number[]): boolean {
    if (this.closed) return true;
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    const bytes = Buffer.concat([head, body]);
    this.queue.push({ bytes, fds });
    this.waiting += bytes.length;
    if (this.writing === undefined) this.write();
    return this.waiting <= BACKLOG;
  }

  private write(): void {
    try {
      for (let first = this.queue.shift(); first !== undefined; first = this.queue.shift()) {
        const sent = this.sys.transmit(this.fd, first.bytes, first.fds);
        this.waiting -= sent;
        if (sent === first.bytes.length) continue;
        // Descriptors travel with the first byte.
        this.queue.unshift({ bytes: first.bytes.subarray(sent), fds: sent === 0 ? first.fds : [] });
        this.writing ??= this.sys.watch(this.fd, POLL.OUT, () => {
          this.write();
        });
        break;
      }
    } catch {
      // EPIPE: it is gone. Its last words, or its end, are read.
      this.queue = [];
      this.waiting = 0;
    }
    if (this.waiting <= BACKLOG) this.drained();
    if (this.queue.length > 0) return;
    this.writing?.stop();
    this.writing = undefined;
  }

  private read(): void {
    while (this.reading !== undefined) {
      let got;
      try {
        got = this.sys.recv(this.fd, 64 * 1024);
      } catch {
        this.over();
        return;
      }
      if (got === undefined) return;
      this.descriptors.push(...got.fds);
      if (got.bytes.length === 0) {
        this.over();
        return;
      }
      this.take(got.bytes);
    }
  }

  private take(bytes: Buffer): void {
    this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
    // A listener may pause or close in the middle: what was received already is still told.
    while (this.received.length >= 4 && !this.closed) {
      const length = this.received.readUInt32BE(0);
      if (length > FRAME_LIMIT) {
        this.over();
        return;
      }
      if (this.received.length < 4 + length) return;
      const body = this.received.subarray(4, 4 + length);
      this.received = this.received.subarray(4 + length);
      const cut = body.indexOf(0);
      const type = (cut < 0 ? body : body.subarray(0, cut)).toString();
      this.listener?.frame({ type, rest: cut < 0 ? Buffer.alloc(0) : body.subarray(cut + 1) });
    }
  }

  private over(): void {
    this.pause();
    const { listener } = this;
    this.listener = undefined;
    listener?.ended();
  }
}
