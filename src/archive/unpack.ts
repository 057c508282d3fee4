/**
 * Unpacks an archive into a folder that it may have been made to escape from. Every name is walked from the folder's
 * descriptor, one component at a time, without following a link (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS); no
 * path is ever joined (CVE-2014-6407, CVE-2014-9356, CVE-2025-47290).
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { Budgets } from './budgets.ts';
import type { TarEntry } from './entry.ts';

export interface UnpackOptions {
  readonly budgets: Budgets;
  /** `layer`: `.wh.` names become whiteouts and opaque marks of overlayfs. `plain`: they are names like others (`cp`). */
  readonly manner: 'layer' | 'plain';
  /** Bytes of the archive that are no content, and the place of what is, for the layer's tar-split. */
  readonly split?: SplitSink;
  /** Decides of each member: another name or owner (`cp`), or null to leave it out. */
  readonly rewrite?: (entry: TarEntry) => TarEntry | null;
}

/** Takes down what an archive consists of besides the files that are unpacked from it. */
export interface SplitSink {
  raw(bytes: Uint8Array): void;
  /** Here stood the content of a file, now at `path` (relative, beneath the folder): its parts, in the archive's order. */
  content(path: string, extents: readonly { readonly offset: number; readonly length: number }[]): void;
  /** The content that stood here is not on disk (a later member has replaced the file): the archive cannot be rebuilt. */
  lost(): void;
}

export interface Unpacked {
  /** Bytes in regular files, a hard link counted once. */
  readonly size: number;
  readonly entries: number;
}

/** @param folder - descriptor of a directory; the caller closes it. @throws TsDockError `bad-archive`, `breakout`. */
export async function unpack(
  _sys: Kernel,
  _folder: number,
  _tar: AsyncIterable<Uint8Array>,
  _options: UnpackOptions,
): Promise<Unpacked> {
  throw new Error('to come');
}
