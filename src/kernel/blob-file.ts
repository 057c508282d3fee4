/**
 * A file that something large is fetched into, and read out of again: bytes are appended as they come, and it gets its name
 * when it is whole. Single writes are not recorded, there are thousands; a refusal comes as a KernelError, as everywhere.
 */
import * as fs from 'node:fs';
import { KernelError } from './calls.ts';

const CHUNK = 256 * 1024;

export class BlobFile {
  readonly path: string;
  private readonly fd: number;
  private bytes: number;

  private constructor(path: string, fd: number, bytes: number) {
    this.path = path;
    this.fd = fd;
    this.bytes = bytes;
  }

  /** What was begun, or an empty file. Never through a link. */
  static open(path: string): BlobFile {
    return asked('open', path, () => {
      const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;
      const fd = fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
      return new BlobFile(path, fd, fs.fstatSync(fd).size);
    });
  }

  get size(): number {
    return this.bytes;
  }

  append(chunk: Uint8Array): void {
    asked('write', this.path, () => {
      for (let done = 0; done < chunk.length;)
        done += fs.writeSync(this.fd, chunk, done, chunk.length - done, this.bytes + done);
    });
    this.bytes += chunk.length;
  }

  truncate(): void {
    asked('ftruncate', this.path, () => fs.ftruncateSync(this.fd, 0));
    this.bytes = 0;
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}

/** The bytes of a file, in pieces that are read as they are asked for. */
export async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const { O_RDONLY, O_NOFOLLOW } = fs.constants;
  const fd = asked('open', path, () => fs.openSync(path, O_RDONLY | O_NOFOLLOW));
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK);
      const read = await new Promise<number>((resolve, reject) => {
        fs.read(fd, buffer, 0, CHUNK, null, (error, count) => {
          if (error === null) resolve(count);
          else reject(new KernelError('read', [JSON.stringify(path)], error.code ?? 'EIO'));
        });
      });
      if (read === 0) return;
      yield buffer.subarray(0, read);
    }
  } finally {
    fs.closeSync(fd);
  }
}

function asked<T>(call: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new KernelError(call, [JSON.stringify(path)], (error as NodeJS.ErrnoException).code ?? 'EIO');
  }
}
