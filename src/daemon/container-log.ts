/**
 * A container's log, `containers/<id>/<id>-json.log`, in Docker's json-file format: one object a line, `{log, stream,
 * time}`. What stands in it was said by the container: a line that is no such object is passed over.
 */
import { join } from 'node:path';
import { O, AT_FDCWD } from '../kernel/flags.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { containerFolder } from './containers.ts';
import type { Place } from './place.ts';

export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** With its newline, unless it was cut. */
  readonly log: string;
  /** RFC 3339. */
  readonly time: string;
}

export const logPath = (place: Place, id: string): string =>
  join(containerFolder(place, id), `${id}-json.log`);

const CHUNK = 64 * 1024;

/** Longest line that is believed: the monitor cuts at 16 KiB, each byte of which may be written as six. */
const LONGEST = 256 * 1024;

/** Reads a log from its beginning, as far as it goes, and later what has come since. Holds no more than a line of it. */
export class LogReader {
  private readonly sys: Kernel;
  private readonly fd: number | undefined;
  private offset = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(sys: Kernel, place: Place, id: string) {
    this.sys = sys;
    this.fd = open(sys, logPath(place, id));
  }

  /** False where nothing was ever logged: the container never ran supervised. */
  get exists(): boolean {
    return this.fd !== undefined;
  }

  /** What has been written and not been read yet, one line after the other. */
  *lines(): Generator<LogLine> {
    for (let bytes = this.chunk(); bytes.length > 0; bytes = this.chunk()) {
      this.rest = Buffer.concat([this.rest, bytes]);
      for (let end = this.rest.indexOf(10); end >= 0; end = this.rest.indexOf(10)) {
        const line = parseLine(this.rest.subarray(0, end).toString());
        this.rest = this.rest.subarray(end + 1);
        if (line !== undefined) yield line;
      }
      if (this.rest.length > LONGEST) this.rest = Buffer.alloc(0);
    }
  }

  close(): void {
    if (this.fd !== undefined) this.sys.close(this.fd);
  }

  private chunk(): Buffer {
    if (this.fd === undefined) return Buffer.alloc(0);
    const bytes = this.sys.readAt(this.fd, CHUNK, this.offset);
    this.offset += bytes.length;
    return bytes;
  }
}

function open(sys: Kernel, path: string): number | undefined {
  try {
    return sys.openat2(AT_FDCWD, path, O.RDONLY | O.CLOEXEC | O.NOFOLLOW, 0, 0);
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function parseLine(text: string): LogLine | undefined {
  try {
    const { log, stream, time } = JSON.parse(text) as Record<string, unknown>;
    if (typeof log !== 'string' || typeof time !== 'string') return undefined;
    return { log, time, stream: stream === 'stderr' ? 'stderr' : 'stdout' };
  } catch {
    return undefined;
  }
}
