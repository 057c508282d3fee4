/**
 * The two codes that zstd writes with (RFC 8878, 4.1 and 4.2): FSE, a state machine with a table, and Huffman. All numbers
 * come from the packed data: each is checked before a table is made of it. @throws Corrupt.
 */

/** The data is not what zstd writes. Its caller words it. */
export class Corrupt extends Error {}

export interface FseTable {
  /** Bits of a state. */
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  /** Next state, before the bits are added. */
  readonly bases: Uint16Array;
}

export interface HuffmanTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

/** Bytes that must be readable before and behind what is decoded: bits are looked at in words, and checked afterwards. */
export const SLACK = 16;

/**
 * Bits from the end of a stretch of bytes backwards, below the highest bit that is set in the last. More can be taken than
 * there are: whoever takes has to look at `left` before he has taken 96 bits too many, and to believe nothing until then.
 */
export class BackwardBits {
  private readonly bytes: Uint8Array;
  private readonly start: number;
  /** Bits that are left. */
  left: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    const last = end > start ? (bytes[end - 1] as number) : 0;
    if (last === 0) throw new Corrupt('a stream of bits has no end');
    this.bytes = bytes;
    this.start = start;
    this.left = (end - start - 1) * 8 + 31 - Math.clz32(last);
  }

  /** @param count - at most 25. */
  take(count: number): number {
    this.left -= count;
    return bitsAt(this.bytes, this.start, this.left) & ((1 << count) - 1);
  }
}

/** At least 25 bits from the bit `from` on. */
function bitsAt(bytes: Uint8Array, start: number, from: number): number {
  const byte = start + (from >> 3);
  const word =
    (bytes[byte] as number) |
    ((bytes[byte + 1] as number) << 8) |
    ((bytes[byte + 2] as number) << 16) |
    ((bytes[byte + 3] as number) << 24);
  return word >>> (from & 7);
}

/** A table's description. @returns it, and where it ends. */
export function readFse(
  bytes: Uint8Array,
  start: number,
  end: number,
  mostLog: number,
  mostSymbol: number,
): { readonly table: FseTable; readonly end: number } {
  let bit = start * 8;
  const take = (count: number): number => {
    let value = 0;
    for (let n = 0; n < count; n++, bit++) value |= (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) << n;
    if (bit > end * 8) throw new Corrupt('a table is cut off');
    return value;
  };
  const log = take(4) + 5;
  if (log > mostLog) throw new Corrupt('a table is too large');
  const counts: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    if (counts.length > mostSymbol) throw new Corrupt('a table has too many symbols');
    // Values that can be told from each other with a bit less have one bit less.
    const width = 32 - Math.clz32(left + 1);
    const short = (1 << width) - 1 - (left + 1);
    let value = take(width - 1);
    if (value >= short) {
      value |= take(1) << (width - 1);
      if (value >= 1 << (width - 1)) value -= short;
    }
    const count = value - 1;
    left -= Math.abs(count);
    counts.push(count);
    if (count === 0) {
      for (let more = 3; more === 3;) {
        more = take(2);
        for (let n = 0; n < more; n++) counts.push(0);
      }
    }
  }
  if (left !== 0 || counts.length > mostSymbol + 1) throw new Corrupt('the counts of a table do not add up');
  return { table: fseTable(counts, log), end: (bit + 7) >> 3 };
}

/** @param counts - how many of the 2^log states a symbol has; -1: one, at the end. They add up to 2^log. */
export function fseTable(counts: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  const next = new Uint16Array(counts.length);
  let high = size - 1;
  counts.forEach((count, symbol) => {
    if (count === -1) symbols[high--] = symbol;
    next[symbol] = Math.abs(count);
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  counts.forEach((count, symbol) => {
    for (let n = 0; n < count; n++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at > high);
    }
  });
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0;
    const count = next[symbol] ?? 0;
    next[symbol] = count + 1;
    const width = log - (31 - Math.clz32(count));
    bits[state] = width;
    bases[state] = (count << width) - size;
  }
  return { log, symbols, bits, bases };
}

/** Always the same symbol, for no bits. */
export const oneSymbol = (symbol: number): FseTable => ({
  log: 0,
  symbols: Uint8Array.of(symbol),
  bits: new Uint8Array(1),
  bases: new Uint16Array(1),
});

const MOST_HUFFMAN_LOG = 11;

/** The tree before literals. @returns its table, and where it ends. */
export function readHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly table: HuffmanTable; readonly end: number } {
  const head = bytes[start] ?? 0;
  if (start >= end) throw new Corrupt('a tree is missing');
  if (head < 128) {
    const stop = start + 1 + head;
    if (stop > end) throw new Corrupt('a tree is cut off');
    return { table: huffmanTable(packedWeights(bytes, start + 1, stop)), end: stop };
  }
  const count = head - 127;
  const stop = start + 1 + ((count + 1) >> 1);
  if (stop > end) throw new Corrupt('a tree is cut off');
  const weights = Array.from({ length: count }, (_, n) => {
    const byte = bytes[start + 1 + (n >> 1)] ?? 0;
    return n % 2 === 0 ? byte >> 4 : byte & 15;
  });
  return { table: huffmanTable(weights), end: stop };
}

/** Weights in FSE, by two states in turn, until the bits are used up. */
function packedWeights(bytes: Uint8Array, start: number, end: number): number[] {
  const { table, end: from } = readFse(bytes, start, end, 6, 255);
  const stream = new BackwardBits(bytes, from, end);
  const weights: number[] = [];
  let [one, other] = [stream.take(table.log), stream.take(table.log)];
  if (stream.left < 0) throw new Corrupt('a tree is cut off');
  for (;;) {
    if (weights.length > 253) throw new Corrupt('a tree has too many symbols');
    weights.push(table.symbols[one] ?? 0);
    const width = table.bits[one] ?? 0;
    if (width > stream.left) {
      weights.push(table.symbols[other] ?? 0);
      return weights;
    }
    [one, other] = [other, (table.bases[one] ?? 0) + stream.take(width)];
  }
}

/** The last symbol's weight is not written: it is what is missing. */
function huffmanTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > MOST_HUFFMAN_LOG) throw new Corrupt('a tree is too deep');
    if (weight > 0) sum += 1 << (weight - 1);
  }
  const log = 32 - Math.clz32(sum);
  const missing = (1 << log) - sum;
  if (sum === 0 || log > MOST_HUFFMAN_LOG || (missing & (missing - 1)) !== 0)
    throw new Corrupt('the weights of a tree do not add up');
  const all = [...weights, 32 - Math.clz32(missing)];
  const symbols = new Uint8Array(1 << log);
  const bits = new Uint8Array(1 << log);
  let at = 0;
  for (let weight = 1; weight <= log; weight++)
    all.forEach((own, symbol) => {
      if (own !== weight) return;
      const until = at + (1 << (weight - 1));
      symbols.fill(symbol, at, until);
      bits.fill(log + 1 - weight, at, until);
      at = until;
    });
  return { log, symbols, bits };
}

/** Decodes one stream of literals, which must end where its bits do. */
export function huffmanStream(
  table: HuffmanTable,
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  from: number,
  until: number,
): void {
  const { log, symbols, bits } = table;
  const mask = (1 << log) - 1;
  let { left } = new BackwardBits(bytes, start, end);
  let to = from;
  // At the begin of the stream, bits that are not its own are looked at; a code that needs them makes `left` negative.
  for (; to < until && left > 0; to++) {
    const index = bitsAt(bytes, start, left - log) & mask;
    out[to] = symbols[index] as number;
    left -= bits[index] as number;
  }
  if (left !== 0 || to !== until) throw new Corrupt('literals do not end where they must');
}
