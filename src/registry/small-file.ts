/** A file of the user's or of the administrator's: links are followed, as they put them there; a device or a fifo is none. */
import { KernelError } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** @throws KernelError: `EFBIG` beyond `most` bytes, `EINVAL` for what is no file, and what the kernel says. */
export function readSmall(sys: Kernel, path: string, most: number): string {
  const found = sys.stat(path);
  if (!found.isFile()) throw new KernelError('read', [JSON.stringify(path)], 'EINVAL');
  if (found.size > most) throw new KernelError('read', [JSON.stringify(path)], 'EFBIG');
  return sys.readFile(path);
}
