/**
 * The blocks of one zstd frame (RFC 8878, 3.1.1.2 and 3.1.1.3). What a block costs does not depend on the window that its
 * frame asks for: memory grows with what was unpacked, and is moved once for each window.
 */
import {
  BackwardBits,
  SLACK,
  Corrupt,
  fseTable,
  huffmanStream,
  oneSymbol,
  readFse,
  readHuffman,
  type FseTable,
  type HuffmanTable,
} from './zstd-entropy.ts';

export const MOST_BLOCK = 128 * 1024;

/** Code to the least length, and to the number of bits that are added. */
interface Lengths {
  readonly bases: Uint32Array;
  readonly bits: Uint8Array;
}

function lengths(first: number, plain: number, widths: readonly number[]): Lengths {
  const bits = Uint8Array.from([...new Array<number>(plain).fill(0), ...widths]);
  const bases = new Uint32Array(bits.length);
  let base = first;
  bits.forEach((width, code) => {
    bases[code] = base;
    base += 1 << width;
  });
  return { bases, bits };
}

const LITERAL_LENGTHS = lengths(0, 16, [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
const MATCH_LENGTHS = lengths(3, 32, [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
/** No window that is let through needs more. */
const MOST_OFFSET_CODE = 28;

const ones = (count: number): number[] => new Array<number>(count).fill(1);
const rare = (count: number): number[] => new Array<number>(count).fill(-1);

/** What a code is written with, where a block brings no table of its own. */
const KINDS = {
  literals: {
    mostLog: 9,
    mostSymbol: 35,
    usual: fseTable(
      [
        4,
        3,
        ...new Array<number>(11).fill(2),
        1,
        1,
        1,
        ...new Array<number>(9).fill(2),
        3,
        2,
        ...ones(5),
        ...rare(4),
      ],
      6,
    ),
  },
  offsets: {
    mostLog: 8,
    mostSymbol: 31,
    usual: fseTable([...ones(6), 2, 2, 2, ...ones(15), ...rare(5)], 5),
  },
  matches: {
    mostLog: 9,
    mostSymbol: 52,
    usual: fseTable([1, 4, 3, 2, 2, 2, 2, 2, 2, ...ones(37), ...rare(7)], 6),
  },
} as const;

type Kind = keyof typeof KINDS;

export class FrameDecoder {
  private readonly window: number;
  private out: Uint8Array;
  /** Where the next byte goes in `out`. */
  private at = 0;
  private huffman: HuffmanTable | undefined;
  private readonly tables: Partial<Record<Kind, FseTable>> = {};
  /** Of the last three matches, the latest first. */
  private offset1 = 1;
  private offset2 = 4;
  private offset3 = 8;
  private readonly packed = new Uint8Array(SLACK + MOST_BLOCK + SLACK);
  private readonly literalBytes = new Uint8Array(MOST_BLOCK);
  private literals = this.literalBytes;

  /** @param window - bytes that a match may lie back. */
  constructor(window: number) {
    this.window = window;
    this.out = new Uint8Array(Math.min(window, MOST_BLOCK) + MOST_BLOCK);
  }

  /** @param type - 0 as it is, 1 one byte `size` times, 2 compressed. Good until the next call. @throws Corrupt. */
  decode(type: number, body: Uint8Array, size: number): Uint8Array {
    this.makeRoom();
    const start = this.at;
    if (type === 0) {
      this.out.set(body, start);
      this.at += body.length;
    } else if (type === 1) {
      this.out.fill(body[0] ?? 0, start, start + size);
      this.at += size;
    } else this.compressed(body);
    return this.out.subarray(start, this.at);
  }

  /** For the largest block. Beyond a window, what is older than it goes; before, the buffer doubles. */
  private makeRoom(): void {
    const { out, at, window } = this;
    if (at + MOST_BLOCK <= out.length) return;
    const kept = Math.min(at, window);
    // Half as much again as the window: then each byte is moved twice at most, on the average.
    const wanted = Math.min(2 * out.length, window + Math.max(MOST_BLOCK, window >> 1));
    if (wanted > out.length) {
      this.out = new Uint8Array(wanted);
      this.out.set(out.subarray(at - kept, at));
    } else out.copyWithin(0, at - kept, at);
    this.at = kept;
  }

  private compressed(body: Uint8Array): void {
    this.packed.set(body, SLACK);
    const end = SLACK + body.length;
    this.readSequences(this.readLiterals(SLACK, end), end);
  }

  // --- literals -----------------------------------------------------------------------------------------------------

  /** Where the sequences begin. */
  private readLiterals(start: number, end: number): number {
    const head = this.packed[start] ?? 0;
    const format = (head >> 2) & 3;
    if ((head & 2) !== 0) return this.readHuffmanLiterals(start, end, head, format);
    const width = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3;
    const size = width === 1 ? head >> 3 : this.number(start, width) >> 4;
    if (size > MOST_BLOCK) throw new Corrupt('too many literals');
    const from = start + width;
    const until = from + ((head & 1) === 0 ? size : 1);
    if (until > end) throw new Corrupt('literals are cut off');
    this.literals = this.literalBytes.subarray(0, size);
    if ((head & 1) === 0) this.literals.set(this.packed.subarray(from, until));
    else this.literals.fill(this.packed[from] ?? 0);
    return until;
  }

  private readHuffmanLiterals(start: number, end: number, head: number, format: number): number {
    const width = format < 2 ? 3 : format + 2;
    const sizeBits = [10, 10, 14, 18][format] ?? 0;
    const sizes = this.number(start, width);
    const size = Math.floor(sizes / 16) % 2 ** sizeBits;
    let from = start + width;
    const until = from + Math.floor(sizes / 2 ** (4 + sizeBits));
    if (size > MOST_BLOCK || until > end) throw new Corrupt('literals are cut off');
    if ((head & 1) === 0) {
      const tree = readHuffman(this.packed, from, until);
      this.huffman = tree.table;
      from = tree.end;
    }
    if (this.huffman === undefined) throw new Corrupt('literals without a tree');
    this.literals = this.literalBytes.subarray(0, size);
    if (format === 0) huffmanStream(this.huffman, this.packed, from, until, this.literals, 0, size);
    else this.fourStreams(this.huffman, from, until);
    return until;
  }

  /** The first three say their lengths. */
  private fourStreams(huffman: HuffmanTable, start: number, end: number): void {
    const { packed, literals } = this;
    const quarter = (literals.length + 3) >> 2;
    let from = start + 6;
    if (from > end || 3 * quarter > literals.length) throw new Corrupt('literals are cut off');
    for (let n = 0; n < 4; n++) {
      const until = n === 3 ? end : from + this.number(start + 2 * n, 2);
      if (until > end) throw new Corrupt('literals are cut off');
      const last = n === 3 ? literals.length : (n + 1) * quarter;
      huffmanStream(huffman, packed, from, until, literals, n * quarter, last);
      from = until;
    }
  }

  /** Little-endian, of at most five bytes. Behind the block is anything: who reads there finds himself beyond the end. */
  private number(at: number, count: number): number {
    let value = 0;
    for (let n = count - 1; n >= 0; n--) value = value * 256 + (this.packed[at + n] ?? 0);
    return value;
  }

  // --- sequences ----------------------------------------------------------------------------------------------------

  private readSequences(start: number, end: number): void {
    const head = this.number(start, 1);
    let at = start + 1;
    let count = head;
    if (head === 255) {
      count = this.number(at, 2) + 0x7f00;
      at += 2;
    } else if (head >= 128) {
      count = ((head - 128) << 8) + this.number(at, 1);
      at += 1;
    }
    if (at > end) throw new Corrupt('sequences are missing');
    if (count === 0) {
      if (at !== end) throw new Corrupt('something follows the literals');
      this.append(0, this.literals.length, this.at + MOST_BLOCK);
      return;
    }
    const modes = this.number(at, 1);
    at += 1;
    if ((modes & 3) !== 0) throw new Corrupt('a block uses what is reserved');
    at = this.table('literals', modes >> 6, at, end);
    at = this.table('offsets', (modes >> 4) & 3, at, end);
    at = this.table('matches', (modes >> 2) & 3, at, end);
    this.execute(new BackwardBits(this.packed, at, end), count);
  }

  /** Where what follows it begins. */
  private table(kind: Kind, mode: number, at: number, end: number): number {
    const { mostLog, mostSymbol, usual } = KINDS[kind];
    if (mode === 0) {
      this.tables[kind] = usual;
      return at;
    }
    if (mode === 1) {
      const symbol = this.number(at, 1);
      if (symbol > mostSymbol) throw new Corrupt('a symbol is out of bounds');
      this.tables[kind] = oneSymbol(symbol);
      return at + 1;
    }
    if (mode === 2) {
      const read = readFse(this.packed, at, end, mostLog, mostSymbol);
      this.tables[kind] = read.table;
      return read.end;
    }
    if (this.tables[kind] === undefined) throw new Corrupt('a table is used again, and there is none');
    return at;
  }

  private execute(bits: BackwardBits, count: number): void {
    const { literals, offsets, matches } = this.tables;
    if (literals === undefined || offsets === undefined || matches === undefined)
      throw new Corrupt('a table is missing');
    const most = this.at + MOST_BLOCK;
    let used = 0;
    let literalState = bits.take(literals.log);
    let offsetState = bits.take(offsets.log);
    let matchState = bits.take(matches.log);
    for (let n = 0; n < count; n++) {
      const literalCode = literals.symbols[literalState] as number;
      const offsetCode = offsets.symbols[offsetState] as number;
      const matchCode = matches.symbols[matchState] as number;
      if (offsetCode > MOST_OFFSET_CODE) throw new Corrupt('a match lies too far back');
      const high = offsetCode > 16 ? bits.take(offsetCode - 16) << 16 : 0;
      const value = (1 << offsetCode) + high + bits.take(Math.min(offsetCode, 16));
      const match =
        (MATCH_LENGTHS.bases[matchCode] as number) + bits.take(MATCH_LENGTHS.bits[matchCode] as number);
      const length =
        (LITERAL_LENGTHS.bases[literalCode] as number) +
        bits.take(LITERAL_LENGTHS.bits[literalCode] as number);
      if (n + 1 < count) {
        literalState =
          (literals.bases[literalState] as number) + bits.take(literals.bits[literalState] as number);
        matchState = (matches.bases[matchState] as number) + bits.take(matches.bits[matchState] as number);
        offsetState = (offsets.bases[offsetState] as number) + bits.take(offsets.bits[offsetState] as number);
      }
      if (bits.left < 0) throw new Corrupt('sequences are cut off');
      if (used + length > this.literals.length) throw new Corrupt('more literals are used than there are');
      this.append(used, used + length, most);
      used += length;
      this.match(this.offset(value, length), match, most);
    }
    if (bits.left !== 0) throw new Corrupt('something follows the sequences');
    this.append(used, this.literals.length, most);
  }

  /** Values up to 3 mean one of the last three offsets; one later where no literals stand between. */
  private offset(value: number, literalLength: number): number {
    const { offset1, offset2, offset3 } = this;
    const back = value - 1 + (literalLength === 0 ? 1 : 0);
    if (value <= 3 && back === 0) return offset1;
    this.offset1 = value > 3 ? value - 3 : back === 1 ? offset2 : back === 2 ? offset3 : offset1 - 1;
    this.offset2 = offset1;
    if (value > 3 || back > 1) this.offset3 = offset2;
    return this.offset1;
  }

  private append(from: number, until: number, most: number): void {
    const { out, literals } = this;
    let { at } = this;
    if (at + until - from > most) throw new Corrupt('a block is larger than blocks are');
    // For a few bytes a call costs more than they do.
    if (until - from > 32) out.set(literals.subarray(from, until), at);
    else for (let n = from; n < until; n++) out[at++] = literals[n] as number;
    this.at += until - from;
  }

  private match(offset: number, length: number, most: number): void {
    const { out } = this;
    let { at } = this;
    if (offset <= 0 || offset > at || offset > this.window) throw new Corrupt('a match lies too far back');
    if (at + length > most) throw new Corrupt('a block is larger than blocks are');
    const end = at + length;
    if (offset >= length && length > 32) out.copyWithin(at, at - offset, at - offset + length);
    // It may overlap itself: then each byte is one that was just written.
    else for (let from = at - offset; at < end;) out[at++] = out[from++] as number;
    this.at = end;
  }
}
