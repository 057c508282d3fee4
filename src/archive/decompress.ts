/**
 * gzip, zstd and plain data, told apart by their first bytes, in this process: a program that the image brings along must
 * never be the one that unpacks it (CVE-2014-9357, CVE-2026-41567).
 */
import type { Budgets } from './budgets.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** @throws TsDockError `bad-archive` for xz and bzip2, which are named, with what to do. */
export function compressionOf(_start: Uint8Array): Compression {
  throw new Error('to come');
}

/** The plain bytes. Ends with `bad-archive` where they would be more than `budgets.ratio` times what they come from. */
export async function* decompressed(
  _source: AsyncIterable<Uint8Array>,
  _budgets: Budgets,
): AsyncGenerator<Uint8Array> {
  throw new Error('to come');
}
