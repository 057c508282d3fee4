/** SHA-256, loaded when it is first needed: most runs make no image and never are. */
import { createRequire } from 'node:module';
import type { Hash } from 'node:crypto';

export function sha256(): Hash {
  const { createHash } = createRequire(import.meta.filename)('node:crypto') as typeof import('node:crypto');
  return createHash('sha256');
}
