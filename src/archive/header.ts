/** The block of 512 bytes that stands before each member: POSIX.1-1988 (ustar), with what v7, star and GNU made of it. */

export const BLOCK = 512;

/** Where the fields lie. Bytes. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

export interface BaseHeader {
  /** One character. */
  readonly type: string;
  /** With the prefix. */
  readonly name: Buffer;
  readonly linkname: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: bigint;
  readonly major: number;
  readonly minor: number;
  /** GNU's old format: no prefix, sparse maps in the header. */
  readonly gnu: boolean;
}

type Fail = (rule: string) => Error;

export function baseHeader(block: Buffer, fail: Fail): BaseHeader {
  const magic = block.toString('latin1', 257, 265);
  const gnu = magic === 'ustar  \0';
  const type = block.toString('latin1', 156, 157);
  const device = type === '3' || type === '4';
  const whole = (field: readonly [number, number], what: string): number => {
    const value = Number(numeric(block, field, what, fail));
    if (value < 0 || !Number.isSafeInteger(value)) throw fail(`its ${what} is out of all bounds`);
    return value;
  };
  return {
    type,
    name: nameOf(block, magic, fail),
    linkname: Buffer.from(upToNul(block, FIELD.linkname)),
    mode: whole(FIELD.mode, 'mode'),
    uid: whole(FIELD.uid, 'uid'),
    gid: whole(FIELD.gid, 'gid'),
    size: whole(FIELD.size, 'size'),
    mtime: BigInt(numeric(block, FIELD.mtime, 'mtime', fail)),
    major: device ? whole(FIELD.major, 'major number') : 0,
    minor: device ? whole(FIELD.minor, 'minor number') : 0,
    gnu,
  };
}

function nameOf(block: Buffer, magic: string, fail: Fail): Buffer {
  const name = upToNul(block, FIELD.name);
  if (!magic.startsWith('ustar\0')) return Buffer.from(name);
  // star keeps two times in the last bytes of the prefix, and says so in the last four of the block.
  const star = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = upToNul(block, star ? [345, 131] : FIELD.prefix);
  if (prefix.length === 0) return Buffer.from(name);
  if (!magic.endsWith('00')) throw fail('its header is of no known version');
  return Buffer.concat([prefix, Buffer.from('/'), name]);
}

function upToNul(block: Buffer, [at, length]: readonly [number, number]): Buffer {
  const field = block.subarray(at, at + length);
  const nul = field.indexOf(0);
  return nul === -1 ? field : field.subarray(0, nul);
}

/** Octal digits between blanks or NULs; or, with the first bit set, a binary number as GNU and star write large ones. */
function numeric(
  block: Buffer,
  [at, length]: readonly [number, number],
  what: string,
  fail: Fail,
): number | bigint {
  const end = at + length;
  if (((block[at] ?? 0) & 0x80) !== 0) {
    let value = 0n;
    for (let n = at; n < end; n++) value = (value << 8n) | BigInt(block[n] ?? 0);
    return BigInt.asIntN(length * 8 - 1, value);
  }
  let n = at;
  while (n < end && (block[n] === 0x20 || block[n] === 0)) n += 1;
  let value = 0;
  for (; n < end; n++) {
    const byte = block[n] ?? 0;
    if (byte === 0x20 || byte === 0) break;
    if (byte < 0x30 || byte > 0x37) throw fail(`its ${what} is no octal number`);
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

/** Some tars of the past added up signed bytes; either is right. */
export function checksumFits(block: Buffer): boolean {
  let unsigned = 0;
  let high = 0;
  for (let n = 0; n < BLOCK; n++) {
    const byte = n >= 148 && n < 156 ? 0x20 : (block[n] ?? 0);
    unsigned += byte;
    if (byte > 127) high += 1;
  }
  let said: number | bigint;
  try {
    said = numeric(block, FIELD.checksum, 'checksum', (rule) => new Error(rule));
  } catch {
    return false;
  }
  return said === unsigned || said === unsigned - 256 * high;
}

export function isZero(block: Buffer): boolean {
  for (let n = 0; n < BLOCK; n++) if (block[n] !== 0) return false;
  return true;
}

/** A piece of an old GNU sparse map: offset and length in turn; `more`: a block follows with the next. */
export interface SparsePiece {
  readonly numbers: number[];
  readonly more: boolean;
}

export const oldGnuSparse = (block: Buffer, fail: Fail): SparsePiece => piece(block, 386, 4, 482, fail);
export const oldGnuExtension = (block: Buffer, fail: Fail): SparsePiece => piece(block, 0, 21, 504, fail);

export function oldGnuSize(block: Buffer, fail: Fail): number {
  return sparseNumber(block, 483, fail);
}

function piece(block: Buffer, at: number, most: number, flag: number, fail: Fail): SparsePiece {
  const numbers: number[] = [];
  const more = block[flag] !== 0;
  for (let n = 0; n < most; n++) {
    const start = at + 24 * n;
    const [offset, length] = [block[start], block[start + 12]];
    if (offset === 0 && length === 0) {
      if (more) throw fail('its sparse map goes on behind its end');
      break;
    }
    numbers.push(sparseNumber(block, start, fail), sparseNumber(block, start + 12, fail));
  }
  return { numbers, more };
}

function sparseNumber(block: Buffer, at: number, fail: Fail): number {
  const value = Number(numeric(block, [at, 12], 'sparse map', fail));
  if (value < 0 || !Number.isSafeInteger(value)) throw fail('its sparse map is out of all bounds');
  return value;
}
