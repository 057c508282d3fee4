/**
 * The members of an archive, or the files of a folder, as a layout names them. A name is only ever looked up: in the map of
 * an archive, or beneath the descriptor of a folder. It never becomes a path of ours.
 */
import type { Budgets } from '../archive/budgets.ts';
import { badArchive, quoted } from '../archive/refusal.ts';
import { badEntry, parseDocument, type At } from './json.ts';

export interface Members {
  /** For errors: the file or folder as the user wrote it, or `standard input`. */
  readonly file: string;
  /** The names at the top. */
  tops(): string[];
  has(name: string): boolean;
  /** Bytes of a file. @throws TsDockError `bad-archive` where there is none, or it is no file, or there are two. */
  sizeOf(name: string): number;
  /** All of it; refused where it is more than `most` bytes, before any of it is read (CVE-2023-25153). */
  whole(name: string, most: number): Buffer;
  stream(name: string): AsyncGenerator<Uint8Array>;
  close(): void;
}

/** Bytes that are read at once. */
export const PIECE = 256 * 1024;

/** A file never keeps anybody waiting: without this a signal would only be heard when all of it is read. */
export const aTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function documentIn(members: Members, name: string, budgets: Budgets): At {
  return parseDocument(members.file, name, members.whole(name, budgets.json));
}

/** A thousand configurations of four megabytes are none: what all documents of one layout may have, in budgets of one. */
const MOST_DOCUMENTS = 16;

/** Counts what is read whole, so that it fits in memory. */
export class Documents {
  private readonly file: string;
  private readonly most: number;
  private spent = 0;

  constructor(file: string, budgets: Budgets) {
    this.file = file;
    this.most = MOST_DOCUMENTS * budgets.json;
  }

  /** @param most - what this one may have */
  charge(name: string, size: number, most: number): void {
    if (size > most) throw tooLarge(this.file, name, size, most);
    this.spent += size;
    if (this.spent <= this.most) return;
    const why = `with it, its documents have more than ${this.most} bytes (--budget json=BYTES)`;
    throw badEntry(this.file, name, why);
  }
}

function tooLarge(file: string, name: string, size: number, most: number): Error {
  return badEntry(file, name, `it has ${size} bytes, and may have ${most} (--budget json=BYTES)`);
}

export function notThere(file: string, name: string): Error {
  return badArchive(file, `there is no ${quoted(name)} in it`);
}

/**
 * `./a//b/` is `a/b`. Undefined for what leads out: nothing is looked for there.
 *
 * @param from - the folder that a relative name is seen from, as components
 */
export function plainName(name: string, from: readonly string[] = []): string | undefined {
  const parts = name.startsWith('/') ? [] : [...from];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}
