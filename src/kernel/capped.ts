/** Reading a file of unknown origin: never more of it than was asked for, and never what only looks like a file. */
import * as fs from 'node:fs';
import { KernelError } from './calls.ts';

/** `most` bytes at most; `more` says that there would have been others. */
export interface Capped {
  readonly bytes: Buffer;
  readonly more: boolean;
}

/** Undefined for what is no regular file: a FIFO would be waited for, a device has no end. Throws KernelError. */
export function readCapped(path: string, most: number): Capped | undefined {
  try {
    // Windows, where a recording can be replayed as well, has no such flag.
    const patience = (fs.constants as { O_NONBLOCK?: number }).O_NONBLOCK ?? 0;
    const fd = fs.openSync(path, fs.constants.O_RDONLY | patience);
    try {
      const stat = fs.fstatSync(fd);
      return stat.isFile() ? readStart(fd, Math.min(stat.size, most) + 1, most) : undefined;
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new KernelError(syscall ?? 'read', [JSON.stringify(path)], code);
  }
}

function readStart(fd: number, room: number, most: number): Capped {
  const buffer = Buffer.alloc(room);
  let length = 0;
  while (length < room) {
    const got = fs.readSync(fd, buffer, length, room - length, null);
    if (got === 0) break;
    length += got;
  }
  return { bytes: buffer.subarray(0, Math.min(length, most)), more: length > most };
}
