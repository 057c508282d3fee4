/**
 * Reads a recording. What was cut is given as far as it is whole; what was edited, is of another format, or is none at all
 * is refused, with the number of the line.
 */
import { TsDockError } from '../engine/failure.ts';
import { readCapped } from '../kernel/capped.ts';
import { KernelError } from '../kernel/calls.ts';
import { FORMAT, MOST_BYTES, MOST_LINE, unseal, type Header, type Line } from './format.ts';
import { lineIn } from './shapes.ts';

export type Entry = Exclude<Line, Header>;

export interface Recording {
  readonly header: Header;
  readonly entries: readonly Entry[];
  /** Undefined for a recording that is whole, else the number of the last line that is. */
  readonly cutAfter: number | undefined;
}

const NEWLINE = 0x0a;

export function readRecording(path: string): Recording {
  return recordingIn(bytesOf(path), path);
}

function bytesOf(path: string): Buffer {
  const name = JSON.stringify(path);
  try {
    const read = readCapped(path, MOST_BYTES);
    if (read === undefined)
      throw new TsDockError('bad-usage', `cannot replay ${name}: it is not a regular file`);
    if (read.more)
      throw bad(`${name} is bigger than a recording can be`, `No more than ${MOST_BYTES} bytes are read.`);
    return read.bytes;
  } catch (cause) {
    if (!(cause instanceof KernelError)) throw cause;
    throw new TsDockError('bad-usage', `cannot read ${name}: ${cause.message}`, { cause });
  }
}

/** @param path - for the words of a refusal */
export function recordingIn(bytes: Buffer, path: string): Recording {
  const name = JSON.stringify(path);
  const entries: Line[] = [];
  let hash = '';
  let closed = false;
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(NEWLINE, start);
    const number = entries.length + 1;
    // The writer was killed, or the disk was full, in the middle of this line.
    if (end < 0) break;
    if (closed) throw edited(name, number, 'it stands behind the last line');
    const line = bytes.subarray(start, end);
    if (line.length >= MOST_LINE) throw edited(name, number, `it is longer than ${MOST_LINE} bytes`);
    const value = number === 1 ? headerIn(line, name) : parsed(line);
    const next = unseal(hash, line);
    if (next === undefined)
      throw edited(name, number, 'its hash is not that of its content and the line before');
    const entry = lineIn(value);
    if (entry === undefined || (entry.k === 'recording') !== (number === 1))
      throw edited(name, number, 'it is not what a recording has there');
    entries.push(entry);
    hash = next;
    closed = entry.k === 'closed';
    start = end + 1;
  }
  return whole(entries, closed && start >= bytes.length, name);
}

function whole(lines: readonly Line[], closed: boolean, name: string): Recording {
  const [header, ...entries] = lines;
  if (header?.k !== 'recording')
    throw bad(`${name} is not a recording, or one that was cut within its first line`, MEANS);
  const known = new Set<string>(header.steps.map(({ id }) => id));
  const stray = entries.findIndex((entry) => 'step' in entry && !known.has(entry.step));
  if (stray >= 0) throw edited(name, stray + 2, 'it is about a step that the first line does not list');
  return { header, entries: entries as Entry[], cutAfter: closed ? undefined : lines.length };
}

/** Before the hash is looked at: another format may have another hash. */
function headerIn(line: Buffer, name: string): unknown {
  const value = parsed(line);
  const { k, format, version } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (k !== 'recording' || typeof format !== 'number') throw bad(`${name} is not a recording`, MEANS);
  if (format !== FORMAT) {
    const by = typeof version === 'string' ? ` by ts-dock ${version}` : '';
    throw bad(
      `${name} was recorded in format ${format}${by}; this ts-dock reads format ${FORMAT}`,
      '',
      format > FORMAT ? 'Replay it with a newer ts-dock.' : 'Replay it with the ts-dock that recorded it.',
    );
  }
  return value;
}

function parsed(line: Buffer): unknown {
  try {
    // A member that would change what an object is, is none of ours.
    return JSON.parse(line.toString(), (key, value: unknown) => (key === '__proto__' ? undefined : value));
  } catch {
    return undefined;
  }
}

const MEANS = 'A recording is what `ts-dock run --record FILE` writes.';

function bad(message: string, means: string, remedy = ''): TsDockError {
  return new TsDockError('bad-recording', message, { means, remedy });
}

function edited(name: string, number: number, why: string): TsDockError {
  return bad(
    `${name} was edited: line ${number} is not as it was written, ${why}`,
    'Each line carries a hash of itself and of the line before it, so that what is shown is what happened.',
  );
}
