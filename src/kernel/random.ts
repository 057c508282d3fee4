/**
 * Random values from the kernel's own generator. Not by node:crypto: loading it costs 5 ms, a tenth of a run, for what is
 * one read of /dev/urandom.
 */
import * as fs from 'node:fs';

const POOL = 512;
let pool: Buffer = Buffer.alloc(0);

export function randomBytes(count: number): Buffer {
  if (count > POOL) throw new RangeError(`${count} bytes are more than the ${POOL} of the pool`);
  if (pool.length < count) pool = refill();
  const bytes = pool.subarray(0, count);
  pool = pool.subarray(count);
  return bytes;
}

/** `2 * bytes` hexadecimal digits. */
export const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** Evenly from 0 to `limit` - 1; `limit` at most 2^24, so that 48 bits leave no bias that could be seen. */
export const randomInt = (limit: number): number => randomBytes(6).readUIntBE(0, 6) % limit;

function refill(): Buffer {
  const fd = fs.openSync('/dev/urandom', 'r');
  try {
    const fresh = Buffer.alloc(POOL);
    // A read of the pool that comes short would hand out zeros for secrets.
    if (fs.readSync(fd, fresh, 0, POOL, null) !== POOL)
      throw new Error('/dev/urandom gave less than was asked for');
    return fresh;
  } finally {
    fs.closeSync(fd);
  }
}
