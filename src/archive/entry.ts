/** One member of a tar archive, as all its headers together say (ustar, PAX, GNU). */

export type EntryType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** A part of a sparse file that is there; between the parts are holes. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  /** As the archive says it, not yet checked: may be absolute, may have `..`. UTF-8 without NUL, not empty. */
  readonly name: string;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  /** At most 2^32 - 2: the number above means "leave it" to chown(2). */
  readonly uid: number;
  readonly gid: number;
  /** Of the file that is to be, in bytes, holes included; 0 for all but files. */
  readonly size: number;
  /** Nanoseconds since 1970, negative before; fits a signed number of 64 bits. */
  readonly mtime: bigint;
  /** Target of a symlink, or name of the member that a hard link joins; else empty. */
  readonly linkname: string;
  /** Of a device; else 0. At most 2^32 - 1. */
  readonly major: number;
  readonly minor: number;
  /** Name to value, e.g. `security.capability`. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /**
   * Undefined: not sparse, the content is `size` bytes. Else the content is these parts, one after the other: in order,
   * none empty, none over another, all within `size`.
   */
  readonly extents?: readonly Extent[];
}

/** Bytes of content that an archive has for a member. */
export function storedSize({ size, extents }: Pick<TarEntry, 'size' | 'extents'>): number {
  return extents === undefined ? size : extents.reduce((sum, { length }) => sum + length, 0);
}
