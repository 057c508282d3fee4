/** Headers that no tar writes, field by field. */

export const EOA = Buffer.alloc(1024);

export interface HeaderFields {
  readonly name: string | Buffer;
  readonly type?: string;
  readonly mode?: string;
  readonly uid?: string | Buffer;
  readonly gid?: string | Buffer;
  readonly size?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly link?: string;
  readonly magic?: string;
  readonly major?: string | Buffer;
  readonly prefix?: string;
  /** The checksum adds up signed bytes. */
  readonly signed?: boolean;
  /** Added to the checksum. */
  readonly sum?: number;
  /** Last touch, before the checksum. */
  readonly touch?: (block: Buffer) => void;
}

export const octal = (value: number, width: number): string =>
  `${value.toString(8).padStart(width - 1, '0')}\0`;

/** Base 256. */
export function numbered(value: bigint, width: number): Buffer {
  const bytes = Buffer.alloc(width);
  let rest = BigInt.asUintN(width * 8, value);
  for (let n = width - 1; n >= 0; n--) {
    bytes[n] = Number(rest & 255n);
    rest >>= 8n;
  }
  bytes[0]! |= 0x80;
  return bytes;
}

export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  const put = (value: string | Buffer, at: number): void => {
    block.set(Buffer.from(value as string), at);
  };
  put(fields.name, 0);
  put(fields.mode ?? octal(0o644, 8), 100);
  put(fields.uid ?? octal(0, 8), 108);
  put(fields.gid ?? octal(0, 8), 116);
  put(fields.size ?? octal(0, 12), 124);
  put(fields.mtime ?? octal(0, 12), 136);
  put(fields.type ?? '0', 156);
  put(fields.link ?? '', 157);
  put(fields.magic ?? 'ustar\x0000', 257);
  put(fields.major ?? '', 329);
  put(fields.prefix ?? '', 345);
  fields.touch?.(block);
  return checksummed(block, fields);
}

/** Puts the right sum in, or one that is wrong by `sum`. */
export function checksummed(block: Buffer, { signed = false, sum = 0 }: Partial<HeaderFields> = {}): Buffer {
  block.fill(' ', 148, 156);
  let total = sum;
  for (const byte of block) total += signed && byte > 127 ? byte - 256 : byte;
  block.write(`${total.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const full = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);

export const member = (name: string, content: string): Buffer =>
  Buffer.concat([header({ name, size: octal(content.length, 12) }), full(Buffer.from(content))]);

export function pax(records: Readonly<Record<string, string | Buffer>>, type: 'x' | 'g' = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
    let length = rest.length + 1;
    while (rest.length + length.toString().length > length) length += 1;
    return Buffer.concat([Buffer.from(length.toString()), rest]);
  });
  const data = Buffer.concat(lines);
  return Buffer.concat([header({ name: 'PaxHeaders/x', type, size: octal(data.length, 12) }), full(data)]);
}

export const star = (name: string, prefix: string): Buffer =>
  header({
    name,
    touch: (block) => {
      block.write(prefix.slice(0, 131), 345);
      block.write(octal(1, 12), 476);
      block.write(octal(2, 12), 488);
      block.write('tar\0', 508, 'latin1');
    },
  });

/** GNU's old format: four parts in the header, 21 in each block behind it. */
export function sparseGnu(name: string, size: number, parts: readonly (readonly [number, number])[]): Buffer {
  const stored = parts.reduce((sum, [, length]) => sum + length, 0);
  const put = (block: Buffer, at: number, some: typeof parts): void => {
    some.forEach(([offset, length], n) => {
      block.write(octal(offset, 12) + octal(length, 12), at + 24 * n, 'latin1');
    });
  };
  const first = header({
    name,
    type: 'S',
    magic: 'ustar  \0',
    size: octal(stored, 12),
    touch: (block) => {
      put(block, 386, parts.slice(0, 4));
      block[482] = parts.length > 4 ? 1 : 0;
      block.set(numbered(BigInt(size), 12), 483);
    },
  });
  const blocks = [first];
  for (let n = 4; n < parts.length; n += 21) {
    const block = Buffer.alloc(512);
    put(block, 0, parts.slice(n, n + 21));
    block[504] = n + 21 < parts.length ? 1 : 0;
    blocks.push(block);
  }
  return Buffer.concat(blocks);
}
