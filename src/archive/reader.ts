/**
 * Reads a tar archive that anybody may have made: v7, ustar, PAX and GNU headers, sparse files of all three GNU kinds.
 * Bytes are pushed in, members come out; nothing is held in memory but the headers of one member.
 */
import type { Budgets } from './budgets.ts';
import type { TarEntry } from './entry.ts';

/** Called in the order of the archive. What a handler throws comes out of `push`. */
export interface TarHandler {
  /** Bytes that are no member's content, as they stand: headers, padding, what follows the end. */
  raw?(bytes: Uint8Array): void;
  member(entry: TarEntry): void;
  /** Of the last member, in pieces. */
  content(bytes: Uint8Array): void;
  /** The last member is whole; called for every kind of member. */
  memberEnd(): void;
}

export class TarReader {
  constructor(_handler: TarHandler, _budgets: Budgets) {
    throw new Error('to come');
  }

  /** @throws TsDockError `bad-archive`: names the member and the rule. */
  push(_bytes: Uint8Array): void {
    throw new Error('to come');
  }

  /** The archive must be whole: what is cut is an error. */
  end(): void {
    throw new Error('to come');
  }
}
