/**
 * PAX records (POSIX.1-2001, pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, the value any bytes. Libraries decode it as
 * UTF-8, which destroys `security.capability`.
 */
import type { Extent } from './entry.ts';

/** What the records of one header say. `undefined`: not said. */
export interface PaxRecords {
  /** Key to value; of a key that stands twice the last holds. */
  readonly values: ReadonlyMap<string, Buffer>;
  /** GNU's sparse format 0.0 says the same two keys again for each part. Bytes as decimal numbers, in turn. */
  readonly sparse: readonly Buffer[];
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
/** The digits of the largest record that any budget could let through. */
const MOST_DIGITS = 10;

/** @param fail - makes the error of a rule that is broken. */
export function parsePax(bytes: Buffer, fail: (rule: string) => Error): PaxRecords {
  const values = new Map<string, Buffer>();
  const sparse: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(SPACE, at);
    if (space <= at || space - at > MOST_DIGITS) throw fail('a PAX record has no length');
    const length = decimal(bytes.subarray(at, space));
    const end = at + (length ?? 0);
    if (length === undefined || end <= space + 1 || end > bytes.length || bytes[end - 1] !== NEWLINE)
      throw fail('a PAX record is not as long as it says');
    const record = bytes.subarray(space + 1, end - 1);
    const equals = record.indexOf(EQUALS);
    if (equals <= 0) throw fail('a PAX record has no key');
    const key = record.toString('latin1', 0, equals);
    const value = record.subarray(equals + 1);
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      if ((key === 'GNU.sparse.offset') !== (sparse.length % 2 === 0))
        throw fail('its sparse map has an offset without a length');
      sparse.push(value);
    } else values.set(key, value);
    at = end;
  }
  return { values, sparse };
}

/** A decimal number of digits only; undefined where it is none, or more than a double holds exactly. */
export function decimal(bytes: Uint8Array): number | undefined {
  if (bytes.length === 0 || bytes.length > 16) return undefined;
  let value = 0;
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return undefined;
    value = value * 10 + (byte - 0x30);
  }
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Seconds with a fraction, maybe negative, as nanoseconds; finer digits are cut off, as POSIX says. */
export function paxTime(text: string): bigint | undefined {
  const match = /^(-?)(\d{1,20})(?:\.(\d{0,64}))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = '', seconds = '', fraction = ''] = match;
  const nanoseconds = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return clampTime(sign === '-' ? -nanoseconds : nanoseconds);
}

const LATEST = 2n ** 63n - 1n;

/** No file system holds a time beyond the year 2262 or before 1678 anyway, or it does the same. */
export function clampTime(nanoseconds: bigint): bigint {
  if (nanoseconds > LATEST) return LATEST;
  return nanoseconds < -LATEST ? -LATEST : nanoseconds;
}

/**
 * Extended attributes: `SCHILY.xattr.NAME` (GNU tar writes `=` and `%` in the name as `%3D` and `%25`), and bsdtar's own
 * `LIBARCHIVE.xattr.NAME`, the name URL-encoded, the value base64, which it writes beside the first.
 */
export function xattrOf(
  key: string,
  value: Buffer,
  fail: (rule: string) => Error,
): readonly [name: Buffer, value: Buffer] | undefined {
  if (key.startsWith('SCHILY.xattr.'))
    return [
      Buffer.from(
        key.slice(13).replace(/%(3D|25)/g, (_, code: string) => (code === '25' ? '%' : '=')),
        'latin1',
      ),
      value,
    ];
  if (!key.startsWith('LIBARCHIVE.xattr.')) return undefined;
  const name = key
    .slice(17)
    .replace(/%([0-9a-fA-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  const text = value.toString('latin1');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw fail('an attribute is not base64');
  return [Buffer.from(name, 'latin1'), Buffer.from(text, 'base64')];
}

/**
 * The parts of a sparse file from numbers in turn: offset, length, offset, length... GNU tar ends a map with an empty part
 * at the end of the file, which says nothing.
 */
export function extentsOf(
  numbers: readonly number[],
  size: number,
  stored: number,
  fail: (rule: string) => Error,
): Extent[] {
  const extents: Extent[] = [];
  let end = 0;
  let sum = 0;
  for (let n = 0; n < numbers.length; n += 2) {
    const [offset = 0, length = 0] = [numbers[n], numbers[n + 1]];
    if (offset < end) throw fail('the parts of its sparse map overlap, or are out of order');
    end = offset + length;
    if (end > size) throw fail('its sparse map goes beyond its size');
    sum += length;
    if (length > 0) extents.push({ offset, length });
  }
  if (sum !== stored) throw fail('its sparse map does not fit its content');
  return extents;
}
