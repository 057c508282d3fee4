/** A layout that lies in a folder. Somebody else may be changing it: every name is opened beneath its descriptor, no link is followed. */
import type { Budgets } from '../archive/budgets.ts';
import { quoted } from '../archive/refusal.ts';
import { refusedWith } from '../kernel/calls.ts';
import { O, RESOLVE } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badEntry } from './json.ts';
import { aTurn, Documents, notThere, PIECE, plainName, type Members } from './members.ts';

const HOW = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

export class FolderMembers implements Members {
  readonly file: string;
  private readonly sys: Kernel;
  private readonly fd: number;
  private readonly documents: Documents;

  /** @param fd - of the folder; becomes this object's */
  constructor(sys: Kernel, fd: number, file: string, budgets: Budgets) {
    this.documents = new Documents(file, budgets);
    this.sys = sys;
    this.fd = fd;
    this.file = file;
  }

  tops(): string[] {
    return this.sys.readdir(this.fd);
  }

  has(name: string): boolean {
    try {
      this.sys.close(this.open(name));
      return true;
    } catch (error) {
      if (refusedWith(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  }

  sizeOf(name: string): number {
    return this.opened(name, (_, size) => size);
  }

  whole(name: string, most: number): Buffer {
    return this.opened(name, (fd, size) => {
      this.documents.charge(name, size, most);
      const bytes = this.sys.pread(fd, size, 0);
      if (bytes.length < size) throw badEntry(this.file, name, 'it was changed while it was being read');
      return bytes;
    });
  }

  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const fd = this.regular(name).fd;
    try {
      for (let at = 0; ;) {
        const bytes = this.sys.readAt(fd, PIECE, at);
        if (bytes.length === 0) return;
        at += bytes.length;
        yield bytes;
        await aTurn();
      }
    } finally {
      this.sys.close(fd);
    }
  }

  close(): void {
    this.sys.close(this.fd);
  }

  private opened<T>(name: string, act: (fd: number, size: number) => T): T {
    const { fd, size } = this.regular(name);
    try {
      return act(fd, size);
    } finally {
      this.sys.close(fd);
    }
  }

  private regular(name: string): { readonly fd: number; readonly size: number } {
    let fd: number;
    try {
      fd = this.open(name);
    } catch (error) {
      if (refusedWith(error, 'ENOENT', 'ENOTDIR')) throw notThere(this.file, name);
      if (refusedWith(error, 'ELOOP', 'EXDEV'))
        throw badEntry(this.file, quoted(name), 'it is a link, or leads through one or out of the folder');
      throw error;
    }
    const { mode, size } = this.sys.fstat(fd);
    if ((mode & S_IFMT) === S_IFREG) return { fd, size };
    this.sys.close(fd);
    throw badEntry(this.file, quoted(name), 'it is no file');
  }

  /** A fifo would keep us waiting, a device could do anything: neither is more than looked at. */
  private open(name: string): number {
    const plain = plainName(name) ?? '';
    if (plain === '') throw notThere(this.file, name);
    return this.sys.openat2(this.fd, plain, O.RDONLY | O.NONBLOCK | O.NOFOLLOW | O.CLOEXEC, 0, HOW);
  }
}
