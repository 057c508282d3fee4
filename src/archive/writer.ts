/** Writes tar archives: PAX headers where ustar cannot say it (long names, xattrs, nanoseconds, large numbers). */
import type { TarEntry } from './entry.ts';

/** The headers of one member. `size` bytes of content and {@link padding} must follow. */
export function headerOf(_entry: TarEntry): Uint8Array {
  throw new Error('to come');
}

/** Zeroes up to the next block. */
export function padding(_size: number): Uint8Array {
  throw new Error('to come');
}

/** Two blocks of zeroes. */
export const END = new Uint8Array(1024);
