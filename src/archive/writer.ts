/**
 * Writes tar archives: ustar where it can say all, else PAX headers before it (long or non-ASCII names, attributes,
 * nanoseconds, large numbers, GNU's sparse format 1.0). The same entry gives the same bytes.
 */
import { storedSize, type EntryType, type TarEntry } from './entry.ts';
import { BLOCK, FIELD } from './header.ts';

const TYPE: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/**
 * The headers of one member. Its content must follow (`size` bytes; of a sparse file its extents, see `storedSize`), and
 * {@link padding} of as many bytes. A directory's name gets its slash.
 */
export function headerOf(entry: TarEntry): Uint8Array {
  const slash = entry.type === 'directory' && !entry.name.endsWith('/') ? '/' : '';
  const name = Buffer.from(entry.name + slash);
  const link = Buffer.from(entry.linkname);
  const records = new Map<string, Uint8Array>();
  const say = (key: string, value: string | Uint8Array): void => {
    records.set(key, typeof value === 'string' ? Buffer.from(value) : value);
  };

  const map = sparseMap(entry);
  const stored = entry.type === 'file' ? storedSize(entry) + map.length : 0;
  if (entry.extents !== undefined) {
    say('GNU.sparse.major', '1');
    say('GNU.sparse.minor', '0');
    say('GNU.sparse.name', name);
    say('GNU.sparse.realsize', entry.size.toString());
  }
  // Who does not know sparse files unpacks it under another name, and not a file that looks right and is not.
  const shown = entry.extents === undefined ? name : Buffer.from(`GNUSparseFile.0/${asciiBase(name)}`);
  const place = placeOf(shown);
  if (place === undefined) say('path', name);
  if (link.length > FIELD.linkname[1] || !isAscii(link)) say('linkpath', link);
  if (!fitsOctal(stored, FIELD.size[1])) say('size', stored.toString());
  if (!fitsOctal(entry.uid, FIELD.uid[1])) say('uid', entry.uid.toString());
  if (!fitsOctal(entry.gid, FIELD.gid[1])) say('gid', entry.gid.toString());
  const seconds = wholeSeconds(entry.mtime);
  if (seconds === undefined) say('mtime', decimalTime(entry.mtime));
  for (const [key, value] of entry.xattrs)
    say(`SCHILY.xattr.${key.replace(/[%=]/g, (sign) => (sign === '%' ? '%25' : '%3D'))}`, value);

  const header = block(TYPE[entry.type], {
    name: place?.name ?? shown.subarray(0, FIELD.name[1]),
    prefix: place?.prefix ?? Buffer.alloc(0),
    linkname: link.subarray(0, FIELD.linkname[1]),
    mode: entry.mode,
    uid: fitsOctal(entry.uid, FIELD.uid[1]) ? entry.uid : 0,
    gid: fitsOctal(entry.gid, FIELD.gid[1]) ? entry.gid : 0,
    size: fitsOctal(stored, FIELD.size[1]) ? stored : 0,
    mtime: seconds ?? 0,
    major: entry.major,
    minor: entry.minor,
  });
  return records.size === 0 ? header : Buffer.concat([paxHeader(records, name), header, map]);
}

/** Zeroes up to the next block. */
export function padding(size: number): Uint8Array {
  return ZEROES.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

const ZEROES = new Uint8Array(BLOCK);

/** Two blocks of zeroes. */
export const END = new Uint8Array(2 * BLOCK);

interface Fields {
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
  readonly linkname: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

function block(type: string, fields: Fields): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.set(fields.name, FIELD.name[0]);
  bytes.set(fields.linkname, FIELD.linkname[0]);
  bytes.set(fields.prefix, FIELD.prefix[0]);
  bytes.write(type, FIELD.type[0], 'latin1');
  bytes.write('ustar\x0000', FIELD.magic[0], 'latin1');
  for (const key of ['mode', 'uid', 'gid', 'size', 'mtime', 'major', 'minor'] as const) {
    const [at, length] = FIELD[key];
    bytes.write(fields[key].toString(8).padStart(length - 1, '0'), at, 'latin1');
  }
  bytes.fill(' ', FIELD.checksum[0], FIELD.checksum[0] + FIELD.checksum[1]);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, FIELD.checksum[0], 'latin1');
  return bytes;
}

/** The extended header with its own header before it, in the order of the keys. */
function paxHeader(records: ReadonlyMap<string, Uint8Array>, name: Buffer): Buffer {
  const lines = [...records]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => record(key, value));
  const size = lines.reduce((sum, line) => sum + line.length, 0);
  const nobody = { linkname: Buffer.alloc(0), prefix: Buffer.alloc(0), uid: 0, gid: 0, mtime: 0 };
  const head = block('x', {
    ...nobody,
    name: Buffer.from(`PaxHeaders.0/${asciiBase(name)}`),
    mode: 0o644,
    size,
    major: 0,
    minor: 0,
  });
  return Buffer.concat([head, ...lines, padding(size)]);
}

/** Its length counts its own digits. */
function record(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + length.toString().length) length = rest.length + length.toString().length;
  return Buffer.concat([Buffer.from(length.toString()), rest]);
}

/** In format 1.0, as GNU tar writes it: with an empty part at the end where a hole is. In blocks. */
function sparseMap({ size, extents }: TarEntry): Buffer {
  if (extents === undefined) return Buffer.alloc(0);
  const last = extents.at(-1);
  const hole = last === undefined || last.offset + last.length < size;
  const parts = hole ? [...extents, { offset: size, length: 0 }] : extents;
  const text = [parts.length, ...parts.flatMap(({ offset, length }) => [offset, length])].join('\n');
  const bytes = Buffer.from(`${text}\n`);
  return Buffer.concat([bytes, padding(bytes.length)]);
}

/** Where ustar has room for a name: as it is, or parted at a slash. */
function placeOf(name: Buffer): { readonly name: Buffer; readonly prefix: Buffer } | undefined {
  if (!isAscii(name)) return undefined;
  const [, most] = FIELD.name;
  if (name.length <= most) return { name, prefix: Buffer.alloc(0) };
  // The last slash would be a directory's own: then no name would be left.
  for (let at = name.length - 2; at > 0; at--)
    if (name[at] === 0x2f && name.length - at - 1 <= most && at <= FIELD.prefix[1])
      return { name: name.subarray(at + 1), prefix: name.subarray(0, at) };
  return undefined;
}

const isAscii = (bytes: Uint8Array): boolean => bytes.every((byte) => byte > 0 && byte < 0x80);

/** For the name of a header that nobody unpacks. */
function asciiBase(name: Buffer): string {
  const base = name.toString('latin1').replace(/\/+$/, '').split('/').at(-1) ?? '';
  return base.replace(/[^\x21-\x7e]/g, '_').slice(0, 60) || '_';
}

const fitsOctal = (value: number, width: number): boolean => value >= 0 && value < 8 ** (width - 1);

/** Undefined where ustar cannot say the time. */
function wholeSeconds(mtime: bigint): number | undefined {
  const seconds = mtime / 1_000_000_000n;
  if (mtime < 0n || seconds * 1_000_000_000n !== mtime) return undefined;
  return fitsOctal(Number(seconds), FIELD.mtime[1]) ? Number(seconds) : undefined;
}

function decimalTime(mtime: bigint): string {
  const positive = mtime < 0n ? -mtime : mtime;
  const fraction = (positive % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const whole = `${mtime < 0n ? '-' : ''}${(positive / 1_000_000_000n).toString()}`;
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
