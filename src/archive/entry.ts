/** One member of a tar archive, as all its headers together say (ustar, PAX, GNU). */

export type EntryType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** A part of a sparse file that is there; between the parts are holes. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface TarEntry {
  /** As the archive says it, not yet checked: may be absolute, may have `..`. UTF-8. */
  readonly name: string;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky; no file type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the file that is to be, in bytes, holes included; 0 for all but files. */
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Target of a symlink, or name of the member that a hard link joins; else empty. */
  readonly linkname: string;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** Name to value, e.g. `security.capability`. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Undefined: not sparse, the content is `size` bytes. Else the content is these parts, one after the other. */
  readonly extents?: readonly Extent[];
}
