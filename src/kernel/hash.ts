/** SHA-256, loaded when it is first needed: most runs make no image and never are. */
import type { Hash } from 'node:crypto';

export function sha256(): Hash {
  const { createHash } = process.getBuiltinModule('node:crypto');
  return createHash('sha256');
}
