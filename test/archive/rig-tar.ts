/**
 * Builds tar archives byte by byte, the illegal ones too: nothing is checked, any field can be overruled. ustar with PAX
 * headers where asked for; a test that needs GNU forms lays them down with `raw` and `block`.
 */

export interface Member {
  readonly name: string;
  /** The type flag as it stands in the header: '0' file, '1' hard link, '2' symlink, '3' and '4' devices, '5' directory, '6' fifo. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds. */
  readonly mtime?: number;
  readonly linkname?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly content?: string | Uint8Array;
  /** What the header says of the size, if that is not the content's. */
  readonly size?: number;
  /** Records of a PAX header before the member, e.g. `SCHILY.xattr.user.a`. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>;
  /** Fields overruled: the bytes at an offset of the header block. The sum is right all the same, unless it is among them. */
  readonly patch?: readonly (readonly [offset: number, bytes: string | Uint8Array])[];
}

export const BLOCK = 512;
const bytesOf = (data: string | Uint8Array): Buffer =>
  typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);

const padded = (data: Buffer): Buffer =>
  Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

/** One header block. Names longer than 100 bytes are cut: say them by PAX. */
export function block(member: Member, size: number): Buffer {
  const head = Buffer.alloc(BLOCK);
  const put = (offset: number, data: string | Uint8Array): void => {
    bytesOf(data).copy(head, offset);
  };
  put(0, bytesOf(member.name).subarray(0, 100));
  put(100, octal(member.mode ?? (member.type === '5' ? 0o755 : 0o644), 8));
  put(108, octal(member.uid ?? 0, 8));
  put(116, octal(member.gid ?? 0, 8));
  put(124, octal(size, 12));
  put(136, octal(member.mtime ?? 1_000_000_000, 12));
  put(148, '        ');
  put(156, member.type ?? '0');
  put(157, bytesOf(member.linkname ?? '').subarray(0, 100));
  put(257, 'ustar\x0000');
  put(329, octal(member.major ?? 0, 8));
  put(337, octal(member.minor ?? 0, 8));
  for (const [offset, data] of member.patch ?? []) put(offset, data);
  if (!(member.patch ?? []).some(([offset]) => offset === 148)) put(148, checksum(head));
  return head;
}

function checksum(head: Buffer): string {
  const sum = head.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return `${sum.toString(8).padStart(6, '0')}\0 `;
}

/** One PAX record: its length counts itself. */
export function record(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (length !== rest.length + length.toString().length) length = rest.length + length.toString().length;
  return Buffer.concat([Buffer.from(length.toString()), rest]);
}

/** A PAX header (`x` for the next member, `g` for all that follow) with its records. */
export function paxHeader(records: Readonly<Record<string, string | Uint8Array>>, type = 'x'): Buffer {
  const body = Buffer.concat(Object.entries(records).map(([key, value]) => record(key, value)));
  return Buffer.concat([block({ name: 'PaxHeaders/x', type }, body.length), padded(body)]);
}

/** A member with all that belongs to it. Long names and targets get a PAX record by themselves. */
export function memberBytes(member: Member): Buffer {
  const content = bytesOf(member.content ?? '');
  const records: Record<string, string | Uint8Array> = { ...member.pax };
  if (Buffer.byteLength(member.name) > 100) records['path'] ??= member.name;
  if (Buffer.byteLength(member.linkname ?? '') > 100) records['linkpath'] ??= member.linkname ?? '';
  return Buffer.concat([
    ...(Object.keys(records).length === 0 ? [] : [paxHeader(records)]),
    block(member, member.size ?? content.length),
    padded(content),
  ]);
}

export const END = Buffer.alloc(2 * BLOCK);

/** A whole archive; what is a Buffer stands in it as it is. */
export function tarOf(...members: readonly (Member | Buffer)[]): Buffer {
  return Buffer.concat([
    ...members.map((member) => (Buffer.isBuffer(member) ? member : memberBytes(member))),
    END,
  ]);
}

export const file = (
  name: string,
  content: string | Uint8Array = '',
  more: Partial<Member> = {},
): Member => ({
  name,
  content,
  ...more,
});
export const directory = (name: string, more: Partial<Member> = {}): Member => ({ name, type: '5', ...more });
export const symlink = (name: string, linkname: string, more: Partial<Member> = {}): Member => ({
  name,
  type: '2',
  linkname,
  ...more,
});
export const hardlink = (name: string, linkname: string, more: Partial<Member> = {}): Member => ({
  name,
  type: '1',
  linkname,
  ...more,
});
/** Records of xattrs, for `pax`. */
export const xattrs = (
  values: Readonly<Record<string, string | Uint8Array>>,
): Record<string, string | Uint8Array> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`SCHILY.xattr.${name}`, value]));

/** The bytes in pieces, as a stream brings them. */
export async function* pieces(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
