/**
 * The tar-split of a layer: all bytes of its archive but the files' contents, and where those lie. With the unpacked layer
 * it gives back the archive byte for byte, so that what was loaded can be saved and pushed under the same digests.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { SplitSink } from './unpack.ts';

/** Written to `path` (gzip) beside the layer. */
export class SplitWriter implements SplitSink {
  constructor(_sys: Kernel, _path: string) {
    throw new Error('to come');
  }
  raw(_bytes: Uint8Array): void {
    throw new Error('to come');
  }
  content(_path: string, _extents: readonly { readonly offset: number; readonly length: number }[]): void {
    throw new Error('to come');
  }
  lost(): void {
    throw new Error('to come');
  }
  /** Closes it. False: there is none, as a content was lost. */
  async end(): Promise<boolean> {
    throw new Error('to come');
  }
}

/** The archive again. @param folder - descriptor of the unpacked layer. */
export async function* rejoin(_sys: Kernel, _path: string, _folder: number): AsyncGenerator<Uint8Array> {
  throw new Error('to come');
}
