/**
 * Copies what the program writes: to where it would have gone, and to the recording. Nobody waits for the end of a pipe: a
 * process that is not the container's may hold it open, so at the program's end what lies in it is taken, and that was all.
 */
import { StringDecoder } from 'node:string_decoder';
import type { OutputListener } from '../engine/step.ts';
import type { Watch } from '../kernel/binding.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { MOST_OUTPUT, type Stream } from './format.ts';

export interface OutputSettings {
  readonly sys: Kernel;
  readonly streams: OutputListener['streams'];
  /** Writes to where it would have gone; calls back, later, when there is room for more. False: there is none now. */
  readonly write: (stream: 1 | 2, bytes: Buffer, room: () => void) => boolean;
  readonly record: (stream: Stream, text: string, cut: boolean) => void;
}

const PIECE = 64 * 1024;
/** The most that a pipe holds (/proc/sys/fs/pipe-max-size): more than that at the end comes from somebody who still writes. */
const MOST_LEFT = 1024 ** 2;

interface Ear {
  readonly fd: number;
  readonly decoder: StringDecoder;
  watch: Watch | undefined;
}

export class OutputCopy implements OutputListener {
  readonly streams: OutputListener['streams'];
  private readonly settings: OutputSettings;
  private readonly ears = new Map<1 | 2, Ear>();
  private room = MOST_OUTPUT;
  private full = false;

  constructor(settings: OutputSettings) {
    this.settings = settings;
    this.streams = settings.streams;
  }

  hear(stream: 1 | 2, pipe: number): void {
    const ear: Ear = { fd: pipe, decoder: new StringDecoder('utf8'), watch: undefined };
    this.ears.set(stream, ear);
    this.listen(stream, ear);
  }

  /** Takes what lies in the pipes. */
  drain(): void {
    for (const stream of [...this.ears.keys()]) {
      let left = MOST_LEFT;
      while (left > 0) {
        const got = this.take(stream);
        if (got === 0) break;
        left -= got;
      }
    }
  }

  /** Who reads us has gone: the program is to learn it as if it wrote there itself. */
  deaf(stream: 1 | 2): void {
    const ear = this.ears.get(stream);
    if (ear === undefined) return;
    this.ears.delete(stream);
    ear.watch?.stop();
    this.settings.sys.closePipe(ear.fd);
  }

  close(): void {
    this.drain();
    for (const stream of [...this.ears.keys()]) this.deaf(stream);
  }

  private listen(stream: 1 | 2, ear: Ear): void {
    ear.watch ??= this.settings.sys.watch(ear.fd, POLL.IN, () => {
      this.take(stream);
    });
  }

  /** How many bytes there were. */
  private take(stream: 1 | 2): number {
    const ear = this.ears.get(stream);
    const bytes = ear === undefined ? undefined : this.settings.sys.readPipe(ear.fd, PIECE);
    if (ear === undefined || bytes === undefined) return 0;
    if (bytes.length === 0) {
      this.deaf(stream);
      return 0;
    }
    const room = this.settings.write(stream, bytes, () => {
      if (this.ears.get(stream) === ear) this.listen(stream, ear);
    });
    // The program waits for a slow reader, as it would without us: nothing is piled up here.
    if (!room) {
      ear.watch?.stop();
      ear.watch = undefined;
    }
    this.record(stream, bytes, ear.decoder);
    return bytes.length;
  }

  private record(stream: 1 | 2, bytes: Buffer, decoder: StringDecoder): void {
    if (this.full) return;
    const text = decoder.write(bytes.subarray(0, this.room));
    this.full = bytes.length > this.room;
    this.room -= Math.min(this.room, bytes.length);
    if (text !== '' || this.full) this.settings.record(stream === 1 ? 'stdout' : 'stderr', text, this.full);
  }
}
