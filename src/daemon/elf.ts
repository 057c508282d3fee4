/**
 * What a program or library of the host needs, read from its ELF headers. For files of the host alone, which are trusted:
 * nothing of an image is ever parsed here. Pure: takes bytes, asks nothing.
 */

export interface Elf {
  /** e_machine: a library fits a program only when these are the same. */
  readonly machine: number;
  /** PT_INTERP, the dynamic loader; undefined for libraries and for static programs. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RUNPATH, else the older DT_RPATH; may hold `$ORIGIN`. */
  readonly runpath: readonly string[];
}

const PT = { LOAD: 1, DYNAMIC: 2, INTERP: 3 } as const;
const DT = { NULL: 0, NEEDED: 1, STRTAB: 5, RPATH: 15, RUNPATH: 29 } as const;
/** Magic, 64 bit, little endian: both architectures that ts-dock runs on. */
const IDENT = '7f454c460201';

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Undefined for what is no ELF file of this kind: a script, another architecture's width, a torn file. */
export function parseElf(bytes: Buffer): Elf | undefined {
  if (bytes.toString('hex', 0, 6) !== IDENT) return undefined;
  try {
    return read(bytes);
  } catch (error) {
    // An offset that points outside: the file is torn, and nobody can run it.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function read(bytes: Buffer): Elf {
  const segments = segmentsOf(bytes);
  const interpreter = segments.find(({ type }) => type === PT.INTERP);
  const entries = dynamicOf(bytes, segments);
  const strings = offsetOf(segments, entries.find(([tag]) => tag === DT.STRTAB)?.[1] ?? 0);
  const named = (wanted: number): string[] =>
    entries.filter(([tag]) => tag === wanted).map(([, value]) => textAt(bytes, strings + value));
  const runpath = [...named(DT.RUNPATH), ...named(DT.RPATH)][0] ?? '';
  return {
    machine: bytes.readUInt16LE(18),
    interpreter: interpreter === undefined ? undefined : textAt(bytes, interpreter.offset),
    needed: named(DT.NEEDED),
    runpath: runpath.split(':').filter((folder) => folder !== ''),
  };
}

function segmentsOf(bytes: Buffer): Segment[] {
  const start = number(bytes, 32);
  const size = bytes.readUInt16LE(54);
  return Array.from({ length: bytes.readUInt16LE(56) }, (_, index) => {
    const at = start + index * size;
    return {
      type: bytes.readUInt32LE(at),
      offset: number(bytes, at + 8),
      address: number(bytes, at + 16),
      size: number(bytes, at + 32),
    };
  });
}

/** Tag and value of each entry of the dynamic section; none in a static program. */
function dynamicOf(bytes: Buffer, segments: readonly Segment[]): [number, number][] {
  const dynamic = segments.find(({ type }) => type === PT.DYNAMIC);
  const entries: [number, number][] = [];
  if (dynamic === undefined) return entries;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = number(bytes, at);
    if (tag === DT.NULL) break;
    entries.push([tag, number(bytes, at + 8)]);
  }
  return entries;
}

/** The dynamic section speaks in addresses; the loaded segments say where in the file those are. */
function offsetOf(segments: readonly Segment[], address: number): number {
  const holder = segments.find(
    (segment) =>
      segment.type === PT.LOAD && address >= segment.address && address < segment.address + segment.size,
  );
  return holder === undefined ? 0 : address - holder.address + holder.offset;
}

/** Offsets and tags of real files are far below 2^53; a value that is not (some tags' are flags) is never used. */
const number = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  if (at >= bytes.length || end < 0) throw new RangeError('a string outside of the file');
  return bytes.toString('latin1', at, end);
}
