/**
 * A client of a container's monitor: what the container says, and what it is told. Nothing is read before {@link
 * Attachment.start}; until then the monitor keeps it, and if need be the container waits.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Ended } from '../kernel/binding.ts';
import { refusedWith } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { FrameSocket, type MonitorFrame } from './monitor-frames.ts';
import { endedOf } from './monitor-end.ts';
import type { Place } from './place.ts';

const SOCKET = 'attach.sock';

/** Where what was said goes. */
export interface Hearer {
  /** Resolves when more may come. */
  output(stream: 'out' | 'err', bytes: Buffer): Promise<void> | undefined;
  /** All output has come. Undefined where the monitor ended without a word. */
  ended(ended: Ended | undefined): void;
}

export class Attachment {
  private readonly socket: FrameSocket;
  private left = false;
  private leave: () => void = () => undefined;
  /** Resolves when the person has left ({@link detach}), and the container goes on. */
  readonly detached = new Promise<void>((resolve) => (this.leave = resolve));

  private constructor(socket: FrameSocket) {
    this.socket = socket;
  }

  /** @param input - what is written here goes to the container */
  static open(sys: Kernel, place: Place, id: string, input: boolean): Attachment {
    // sun_path holds 107 bytes, and a root may be longer: through a descriptor of the folder it always fits.
    const path = join(place.execdriver, id);
    try {
      const folder = sys.openat2(AT_FDCWD, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
      try {
        const socket = new FrameSocket(sys, sys.connect(`/proc/self/fd/${folder.toString()}/${SOCKET}`));
        socket.send(['attach', input ? 1 : 0]);
        return new Attachment(socket);
      } finally {
        sys.close(folder);
      }
    } catch (error) {
      if (!refusedWith(error, 'ENOENT', 'ECONNREFUSED')) throw error;
      throw new TsDockError('still-running', `cannot attach to ${id.slice(0, 12)}: it has no monitor`, {
        means: 'It was started with --rm in the foreground: its streams are those of that command.',
        remedy: 'Without --rm, or with -d or -t, it can be attached to.',
        cause: error,
      });
    }
  }

  start(hearer: Hearer): void {
    this.socket.listen({
      frame: (frame) => {
        this.hear(frame, hearer);
      },
      ended: () => {
        hearer.ended(undefined);
      },
    });
  }

  /** Where a promise comes back, write no more until it resolves. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.socket.sendBytes('in', bytes) ? undefined : this.socket.whenDrained();
  }

  /** No more input will come. */
  endInput(): void {
    this.socket.send(['eof']);
  }

  resize(rows: number, columns: number): void {
    this.socket.send(['resize', rows, columns]);
  }

  /** What the container says waits, at last in the container itself. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** The person has left. */
  get wasLeft(): boolean {
    return this.left;
  }

  detach(): void {
    this.left = true;
    this.leave();
  }

  close(): void {
    this.socket.close();
  }

  private hear({ type, rest }: MonitorFrame, hearer: Hearer): void {
    if (type === 'out' || type === 'err') {
      const busy = hearer.output(type, rest);
      if (busy === undefined) return;
      this.socket.pause();
      void busy.then(() => {
        this.socket.resume();
      });
    }
    if (type === 'exited') hearer.ended(endedOf(rest)?.ended);
  }
}
