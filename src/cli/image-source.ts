/** Where an archive comes from: a file or a folder that was named, or standard input. */
import { TsDockError } from '../engine/failure.ts';
import type { Source } from '../layouts/open.ts';

/** @param file - undefined: standard input */
export function sourceOf(file: string | undefined, remedy: string): Source {
  if (file === '') throw new TsDockError('bad-usage', 'cannot open "": it is no name of a file', { remedy });
  if (file !== undefined) return { file, path: file };
  if (process.stdin.isTTY)
    throw new TsDockError('bad-usage', 'cannot read an archive from a terminal', {
      means: 'Without a file, the archive is what comes on standard input.',
      remedy,
    });
  return { file: 'standard input', stream: process.stdin as AsyncIterable<Uint8Array> };
}
