/**
 * An archive that can be read from any place: gone through once, its headers only, then each member is read where it lies.
 * Links are followed within the map of its names (Docker up to 1.9 saved a layer a second time as a link to the first).
 */
import type { Budgets } from '../archive/budgets.ts';
import type { EntryType, TarEntry } from '../archive/entry.ts';
import { TarReader, type TarHandler } from '../archive/reader.ts';
import { badArchive, overBudget, quoted } from '../archive/refusal.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { badEntry } from './json.ts';
import { aTurn, Documents, notThere, PIECE, plainName, type Members } from './members.ts';

/** Layouts have a few files a layer; a million of them is what a layer may have. */
const MOST_MEMBERS = 100_000;
const MOST_NAMES = 16 * 1024 * 1024;
/** Links upon links. */
const MOST_HOPS = 8;

interface Member {
  readonly type: EntryType;
  readonly target: string;
  /** Where its content begins. */
  readonly offset: number;
  readonly size: number;
  readonly sparse: boolean;
  readonly twice: boolean;
}

/** Takes down where each member lies, from an archive that is pushed through. */
export class TarIndex {
  readonly members = new Map<string, Member>();
  private readonly file: string;
  private readonly reader: TarReader;
  private entry: TarEntry | undefined;
  private start = 0;
  private position = 0;
  private begun = false;
  private names = 0;

  constructor(file: string, budgets: Budgets) {
    this.file = file;
    const handler: TarHandler = {
      raw: (bytes) => {
        this.position += bytes.length;
      },
      member: (entry) => {
        this.entry = entry;
        this.begun = false;
        this.start = 0;
      },
      content: (bytes) => {
        if (!this.begun) this.start = this.position;
        this.begun = true;
        this.position += bytes.length;
      },
      memberEnd: () => {
        if (this.entry !== undefined) this.keep(this.entry);
        this.entry = undefined;
      },
    };
    this.reader = new TarReader(handler, budgets, file);
  }

  push(bytes: Uint8Array): void {
    this.reader.push(bytes);
  }

  end(): void {
    this.reader.end();
  }

  /** Bytes of the member at hand that have not been pushed yet and need not be read. */
  get skippable(): number {
    const { entry } = this;
    if (entry === undefined || !this.begun || entry.extents !== undefined) return 0;
    return this.start + entry.size - this.position;
  }

  private keep(entry: TarEntry): void {
    const name = plainName(entry.name);
    if (name === undefined) throw badArchive(this.file, `its member ${quoted(entry.name)} leads out of it`);
    this.names += entry.name.length + entry.linkname.length;
    if (this.members.size >= MOST_MEMBERS || this.names > MOST_NAMES)
      throw overBudget(this.file, `it has more than ${MOST_MEMBERS} members, or names that are too long`);
    this.members.set(name, {
      type: entry.type,
      target: entry.linkname,
      offset: this.start,
      size: entry.size,
      sparse: entry.extents !== undefined,
      twice: this.members.has(name),
    });
  }
}

/** Goes through an archive in a file without reading what its members contain. */
export function indexFile(sys: Kernel, fd: number, size: number, file: string, budgets: Budgets): TarIndex {
  const index = new TarIndex(file, budgets);
  const zeroes = new Uint8Array(PIECE);
  for (let at = 0; at < size;) {
    // Where a large member lies, what the reader is told of it is of no matter.
    const skipped = Math.min(index.skippable, size - at);
    if (skipped > PIECE) {
      for (let left = skipped; left > 0; left -= PIECE) index.push(zeroes.subarray(0, Math.min(left, PIECE)));
      at += skipped;
      continue;
    }
    const bytes = sys.readAt(fd, HEADERS, at);
    if (bytes.length === 0) break;
    index.push(bytes);
    at += bytes.length;
  }
  index.end();
  return index;
}

/** A header and what is likely to follow it. */
const HEADERS = 16 * 1024;

export class TarMembers implements Members {
  readonly file: string;
  private readonly sys: Kernel;
  private readonly fd: number;
  private readonly documents: Documents;
  private readonly members: ReadonlyMap<string, Member>;

  /** @param fd - becomes this object's */
  constructor(sys: Kernel, fd: number, file: string, { members }: TarIndex, budgets: Budgets) {
    this.documents = new Documents(file, budgets);
    this.sys = sys;
    this.fd = fd;
    this.file = file;
    this.members = members;
  }

  tops(): string[] {
    return [...new Set([...this.members.keys()].map((name) => name.split('/')[0] ?? ''))];
  }

  has(name: string): boolean {
    return this.members.has(plainName(name) ?? '');
  }

  sizeOf(name: string): number {
    return this.find(name).size;
  }

  whole(name: string, most: number): Buffer {
    const { offset, size } = this.find(name);
    this.documents.charge(name, size, most);
    const bytes = this.sys.pread(this.fd, size, offset);
    if (bytes.length < size) throw this.cut(name);
    return bytes;
  }

  async *stream(name: string): AsyncGenerator<Uint8Array> {
    const { offset, size } = this.find(name);
    for (let done = 0; done < size;) {
      const bytes = this.sys.readAt(this.fd, Math.min(PIECE, size - done), offset + done);
      if (bytes.length === 0) throw this.cut(name);
      done += bytes.length;
      yield bytes;
      await aTurn();
    }
  }

  close(): void {
    this.sys.close(this.fd);
  }

  private cut(name: string): Error {
    return badEntry(this.file, name, 'it was cut off while it was being read');
  }

  private find(name: string): Member {
    let at = plainName(name);
    for (let hops = 0; hops <= MOST_HOPS; hops += 1) {
      const member = at === undefined ? undefined : this.members.get(at);
      if (at === undefined || member === undefined) throw notThere(this.file, name);
      // Two readers could each take another one of the two.
      if (member.twice) throw badEntry(this.file, name, 'it is there twice');
      if (member.type === 'file') {
        if (member.sparse) throw badEntry(this.file, name, 'it is stored with holes');
        return member;
      }
      if (member.type === 'symlink') at = plainName(member.target, at.split('/').slice(0, -1));
      else if (member.type === 'hardlink') at = plainName(member.target);
      else throw badEntry(this.file, name, 'it is no file');
    }
    throw badEntry(this.file, name, `it is a link that leads to links, more than ${MOST_HOPS} of them`);
  }
}
