/**
 * Reads a tar archive that anybody may have made: v7, ustar, PAX and GNU headers, sparse files of all three GNU kinds.
 * Bytes are pushed in, members come out; nothing is held in memory but the headers of one member.
 *
 * A reader of our own, as those of npm decode PAX values as UTF-8 (which destroys file capabilities), and know no sparse
 * files, no bytes between the contents, and no budgets. Where two readers could understand two things (a member with two
 * names, a path for all members) the archive is refused, so that nobody was shown another image than the one that runs.
 * Otherwise Go's archive/tar is followed, which is what Docker reads with.
 */
import { isUtf8 } from 'node:buffer';
import type { Budgets } from './budgets.ts';
import type { EntryType, Extent, TarEntry } from './entry.ts';
import {
  BLOCK,
  baseHeader,
  checksumFits,
  isZero,
  oldGnuExtension,
  oldGnuSize,
  oldGnuSparse,
  type BaseHeader,
} from './header.ts';
import { clampTime, decimal, extentsOf, parsePax, paxTime, xattrOf, type PaxRecords } from './pax.ts';
import { badArchive, overBudget, quoted, quotedBytes } from './refusal.ts';

/** Called in the order of the archive. What a handler throws comes out of `push`. The bytes are the pusher's: not to be kept. */
export interface TarHandler {
  /** Bytes that are no member's content, as they stand: headers, padding, sparse maps, what follows the end. */
  raw?(bytes: Uint8Array): void;
  member(entry: TarEntry): void;
  /** Of the last member, in pieces. */
  content(bytes: Uint8Array): void;
  /** The last member is whole; called for every kind of member, before the padding behind it. */
  memberEnd(): void;
}

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** GNU tar's own, which are no files: Docker ignores them, and part of an archive must not go unseen. */
const FOREIGN: Readonly<Record<string, string>> = {
  V: 'is a volume label (tar --label)',
  D: 'belongs to an incremental backup (tar --listed-incremental)',
  M: 'goes on from another volume (tar --multi-volume)',
  N: 'is a list of long names in the manner of 1990',
};

/** These would give all members one name or one length. */
const NEVER_GLOBAL = /^(path|linkpath|size|GNU\.sparse\..*)$/;

/** The largest that is a user: the number above means "leave it" to chown(2). */
const MOST_ID = 2 ** 32 - 2;
const MOST_DEVICE = 2 ** 32 - 1;
/** Linux' limits, XATTR_NAME_MAX and XATTR_SIZE_MAX. */
const XATTR_NAME = 255;
const XATTR_SIZE = 64 * 1024;

const NO_RECORDS: PaxRecords = { values: new Map(), sparse: [] };
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** What is known of a member before its map is. `stored`: bytes that the archive has for it, map included. */
interface Draft {
  readonly entry: TarEntry;
  readonly stored: number;
}

type State = 'header' | 'meta' | 'extension' | 'map' | 'content' | 'padding' | 'zero' | 'ended';

export class TarReader {
  private readonly handler: TarHandler;
  private readonly budgets: Budgets;
  private readonly what: string;

  private state: State = 'header';
  /** Bytes of the content, header data or padding that are still to come. */
  private left = 0;
  private readonly block = Buffer.alloc(BLOCK);
  private filled = 0;
  private members = 0;
  /** For errors; empty while it is not known. */
  private name = '';

  // Of the member that is to come.
  private metaType = '';
  private meta: Buffer[] = [];
  private headerBytes = 0;
  private pax: PaxRecords | undefined;
  private longName: Buffer | undefined;
  private longLink: Buffer | undefined;
  private draft: Draft | undefined;
  private numbers: number[] = [];
  private digits = '';

  private readonly global = new Map<string, Buffer>();

  /** @param what - names the archive in errors, e.g. its file. */
  constructor(handler: TarHandler, budgets: Budgets, what = 'the archive') {
    this.handler = handler;
    this.budgets = budgets;
    this.what = what;
  }

  /** @throws TsDockError `bad-archive`: names the member and the rule. */
  push(bytes: Uint8Array): void {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < all.length;) at = this.take(all, at);
  }

  /** The archive must be whole: what is cut is an error. */
  end(): void {
    if (this.state === 'ended' || (this.filled === 0 && this.state === 'zero')) return;
    const waits = this.expecting();
    if (this.state === 'header' && this.filled === 0 && !waits) return;
    // umoci does not fill up its last block, and Go's reader takes that for an end as well: no content is lost.
    if (this.state === 'padding' && !waits) return;
    if (this.state === 'zero' || (this.state === 'header' && this.members === 0 && !waits))
      throw badArchive(this.what, 'it is cut off, or no tar archive');
    throw badArchive(this.what, `it is cut off ${this.state === 'header' ? 'behind' : 'in'} ${this.where()}`);
  }

  /** Takes from `at` on what belongs together. Where it stopped. */
  private take(all: Buffer, at: number): number {
    switch (this.state) {
      case 'content': {
        const piece = this.run(all, at);
        this.handler.content(piece);
        if (this.left === 0) this.endMember();
        return at + piece.length;
      }
      case 'padding': {
        const piece = this.run(all, at);
        this.handler.raw?.(piece);
        if (this.left === 0) this.state = 'header';
        return at + piece.length;
      }
      case 'meta': {
        const piece = this.run(all, at);
        this.handler.raw?.(piece);
        // A copy: the pusher may use his buffer again.
        this.meta.push(Buffer.from(piece));
        if (this.left === 0) this.endMeta();
        return at + piece.length;
      }
      case 'ended':
        this.handler.raw?.(all.subarray(at));
        return all.length;
      default:
        return this.takeBlock(all, at);
    }
  }

  private run(all: Buffer, at: number): Buffer {
    const piece = all.subarray(at, Math.min(all.length, at + this.left));
    this.left -= piece.length;
    return piece;
  }

  private takeBlock(all: Buffer, at: number): number {
    const end = Math.min(all.length, at + BLOCK - this.filled);
    const piece = all.subarray(at, end);
    this.handler.raw?.(piece);
    if (piece.length === BLOCK) this.onBlock(piece);
    else {
      piece.copy(this.block, this.filled);
      this.filled += piece.length;
      if (this.filled === BLOCK) {
        this.filled = 0;
        this.onBlock(this.block);
      }
    }
    return end;
  }

  private onBlock(block: Buffer): void {
    if (this.state === 'extension') this.onExtension(block);
    else if (this.state === 'map') this.onMap(block);
    else if (isZero(block)) {
      if (this.expecting()) throw this.bad('its header is missing behind an extended header');
      this.state = this.state === 'zero' ? 'ended' : 'zero';
    } else if (this.state === 'zero')
      throw badArchive(this.what, 'a lone block of zeroes, as at its end, stands in its midst');
    else this.onHeader(block);
  }

  /** An extended header waits for its member. */
  private expecting(): boolean {
    return this.pax !== undefined || this.longName !== undefined || this.longLink !== undefined;
  }

  private onHeader(block: Buffer): void {
    if (!this.expecting()) {
      this.name = '';
      this.headerBytes = 0;
    }
    if (!checksumFits(block))
      throw this.members === 0 && !this.expecting()
        ? badArchive(this.what, 'it does not begin with the header of a tar archive')
        : this.bad('its header has a wrong checksum');
    const base = baseHeader(block, (rule) => this.bad(rule));
    if ('xgLK'.includes(base.type)) this.onMeta(base);
    else this.onMember(base, block);
  }

  private onMeta({ type, size }: BaseHeader): void {
    if (type === 'g') {
      if (this.expecting()) throw this.bad('a header for all members stands before its own');
      this.count();
    }
    const twice = { x: this.pax, L: this.longName, K: this.longLink, g: undefined }[type];
    if (twice !== undefined) throw this.bad('it has two extended headers of one kind');
    this.charge(size);
    this.metaType = type;
    this.left = size;
    this.state = 'meta';
    if (size === 0) this.endMeta();
  }

  private endMeta(): void {
    const bytes = Buffer.concat(this.meta);
    this.meta = [];
    this.pad(bytes.length);
    if (this.metaType === 'x') this.pax = this.records(bytes);
    else if (this.metaType === 'g') this.keepGlobal(this.records(bytes));
    else {
      const nul = bytes.indexOf(0);
      const text = nul === -1 ? bytes : bytes.subarray(0, nul);
      if (this.metaType === 'L') this.longName = text;
      else this.longLink = text;
    }
  }

  private records(bytes: Buffer): PaxRecords {
    return parsePax(bytes, (rule) => this.bad(rule));
  }

  private keepGlobal({ values, sparse }: PaxRecords): void {
    for (const [key, value] of values) {
      if (NEVER_GLOBAL.test(key)) throw this.bad(`a header for all members says their ${quoted(key)}`);
      if (value.length === 0) this.global.delete(key);
      else this.global.set(key, value);
    }
    if (sparse.length > 0) throw this.bad('a header for all members has a sparse map');
    let kept = 0;
    for (const [key, value] of this.global) kept += key.length + value.length;
    if (kept > this.budgets.headers) throw this.tooManyHeaders();
  }

  private onMember(base: BaseHeader, block: Buffer): void {
    this.count();
    const draft = this.draftOf(base);
    if (base.type === 'S') {
      if (!base.gnu) throw this.bad('it is sparse in a manner that is not known');
      const { numbers, more } = oldGnuSparse(block, (rule) => this.bad(rule));
      const size = oldGnuSize(block, (rule) => this.bad(rule));
      this.draft = { entry: { ...draft.entry, size }, stored: draft.stored };
      this.numbers = numbers;
      if (more) this.state = 'extension';
      else this.beginSparse();
      return;
    }
    this.beginPlainOrPaxSparse(draft);
  }

  /** All but the sparse map. */
  private draftOf(base: BaseHeader): Draft {
    const known = TYPES[base.type];
    const name = this.nameOf(base);
    if (known === undefined)
      throw this.bad(FOREIGN[base.type] ?? `its type ${quoted(base.type)} is not known`);
    // As tars before 1988 wrote a directory.
    const type = base.type === '\0' && name.endsWith('/') ? 'directory' : known;
    const device = type === 'character' || type === 'block';
    if (device && (base.major > MOST_DEVICE || base.minor > MOST_DEVICE))
      throw this.bad('its device number is too large');
    // What the others say is what they took on the disk of their maker: nothing follows them.
    const stored = type === 'file' ? (this.paxNumber('size') ?? base.size) : 0;
    const entry: TarEntry = {
      name,
      type,
      mode: base.mode & 0o7777,
      uid: this.owner('uid', base.uid),
      gid: this.owner('gid', base.gid),
      size: stored,
      mtime: this.time(base.mtime),
      linkname: type === 'symlink' || type === 'hardlink' ? this.linkOf(base) : '',
      major: device ? base.major : 0,
      minor: device ? base.minor : 0,
      xattrs: this.xattrs(),
    };
    return { entry, stored };
  }

  private nameOf(base: BaseHeader): string {
    const pax = this.said('GNU.sparse.name') ?? this.said('path');
    if (pax !== undefined && this.longName !== undefined)
      throw this.bad('it has a name in a PAX and in a GNU header');
    const bytes = pax ?? this.longName ?? base.name;
    if (bytes.length > this.budgets.path)
      throw this.over(`a name of ${bytes.length} bytes (at most ${this.budgets.path})`);
    this.name = this.text(bytes, 'name');
    if (this.name === '') throw this.bad('it has no name');
    let depth = 0;
    for (const part of this.name.split('/')) if (part !== '') depth += 1;
    if (depth > this.budgets.depth)
      throw this.over(`it lies ${depth} folders deep (at most ${this.budgets.depth})`);
    return this.name;
  }

  private linkOf(base: BaseHeader): string {
    const pax = this.said('linkpath');
    if (pax !== undefined && this.longLink !== undefined)
      throw this.bad('it has a target in a PAX and in a GNU header');
    const bytes = pax ?? this.longLink ?? base.linkname;
    if (bytes.length === 0) throw this.bad('it is a link to nothing');
    if (bytes.length > this.budgets.path)
      throw this.over(`a target of ${bytes.length} bytes (at most ${this.budgets.path})`);
    return this.text(bytes, 'target');
  }

  private text(bytes: Buffer, which: string): string {
    if (!isUtf8(bytes)) throw this.bad(`its ${which} ${quotedBytes(bytes)} is not UTF-8`);
    if (bytes.includes(0)) throw this.bad(`its ${which} ${quotedBytes(bytes)} has a NUL`);
    return bytes.toString('utf8');
  }

  /** A PAX value, of the member or of all; an empty one says that the header's own field holds. */
  private said(key: string): Buffer | undefined {
    const own = this.pax?.values.get(key);
    if (own !== undefined) return own.length === 0 ? undefined : own;
    return this.global.size === 0 ? undefined : this.global.get(key);
  }

  private paxNumber(key: string): number | undefined {
    const bytes = this.said(key);
    if (bytes === undefined) return undefined;
    const value = decimal(bytes);
    if (value === undefined) throw this.bad(`its ${key} ${quotedBytes(bytes)} is no number`);
    return value;
  }

  private owner(key: 'uid' | 'gid', field: number): number {
    const id = this.paxNumber(key) ?? field;
    if (id > MOST_ID) throw this.bad(`its ${key} ${id} is none that can own a file`);
    return id;
  }

  private time(field: bigint): bigint {
    const bytes = this.said('mtime');
    if (bytes === undefined) return clampTime(field * 1_000_000_000n);
    const time = paxTime(bytes.toString('latin1'));
    if (time === undefined) throw this.bad(`its mtime ${quotedBytes(bytes)} is no time`);
    return time;
  }

  private xattrs(): ReadonlyMap<string, Uint8Array> {
    const charset = this.said('hdrcharset')?.toString('latin1');
    if (charset !== undefined && charset !== 'BINARY' && charset !== 'ISO-IR 10646 2000 UTF-8')
      throw this.bad(`its names are in ${quoted(charset)}`);
    if (this.said('SCHILY.realsize') !== undefined)
      throw this.bad('it is sparse in the manner of star, which is not known');
    const { values } = this.pax ?? NO_RECORDS;
    if (values.size === 0 && this.global.size === 0) return NO_XATTRS;
    const found = new Map<string, Uint8Array>();
    for (const records of [this.global, values])
      for (const [key, value] of records) {
        const xattr = xattrOf(key, value, (rule) => this.bad(rule));
        if (xattr === undefined) continue;
        const name = this.text(xattr[0], 'attribute');
        if (name === '' || xattr[0].length > XATTR_NAME)
          throw this.bad(`its attribute ${quoted(name)} has a name of ${xattr[0].length} bytes`);
        if (xattr[1].length > XATTR_SIZE)
          throw this.bad(`its attribute ${quoted(name)} has ${xattr[1].length} bytes`);
        // bsdtar writes both; the plain one cannot be misread.
        if (key.startsWith('LIBARCHIVE.') && values.has(`SCHILY.xattr.${key.slice(17)}`)) continue;
        // A value of its own: of the header's bytes nothing else may stay in memory.
        found.set(name, Uint8Array.from(xattr[1]));
      }
    return found;
  }

  // --- sparse files -------------------------------------------------------------------------------------------------

  private beginPlainOrPaxSparse(draft: Draft): void {
    const version = this.sparseVersion();
    if (version === undefined) {
      this.begin(draft.entry, draft.stored);
      return;
    }
    if (draft.entry.type !== 'file') throw this.bad('it has a sparse map, and is no file');
    const size = this.paxNumber('GNU.sparse.realsize') ?? this.paxNumber('GNU.sparse.size');
    if (size === undefined) throw this.bad('its sparse map comes without a size');
    this.draft = { entry: { ...draft.entry, size }, stored: draft.stored };
    if (version === '1.0') {
      this.numbers = [];
      this.digits = '';
      this.state = 'map';
      return;
    }
    this.numbers = this.mapOfRecords();
    this.beginSparse();
  }

  private sparseVersion(): '0' | '1.0' | undefined {
    const [major, minor] = [this.said('GNU.sparse.major'), this.said('GNU.sparse.minor')];
    if (major === undefined && minor === undefined) {
      const { values, sparse } = this.pax ?? NO_RECORDS;
      const sizes = ['GNU.sparse.map', 'GNU.sparse.size', 'GNU.sparse.numblocks'];
      return sparse.length > 0 || sizes.some((key) => values.has(key)) ? '0' : undefined;
    }
    const version = `${major?.toString('latin1') ?? ''}.${minor?.toString('latin1') ?? ''}`;
    if (version === '1.0') return version;
    if (version === '0.0' || version === '0.1') return '0';
    throw this.bad(`it is sparse in GNU's format ${quoted(version)}, which is not known`);
  }

  /** Format 0.0 says each number in a record of its own, 0.1 all in one. */
  private mapOfRecords(): number[] {
    const map = this.said('GNU.sparse.map');
    const words =
      map === undefined
        ? (this.pax ?? NO_RECORDS).sparse
        : map
            .toString('latin1')
            .split(',')
            .map((word) => Buffer.from(word, 'latin1'));
    return this.checkedMap(words);
  }

  private checkedMap(words: readonly Buffer[]): number[] {
    const numbers = words.map((word) => {
      const number = decimal(word);
      if (number === undefined) throw this.bad(`its sparse map has ${quotedBytes(word)} for a number`);
      return number;
    });
    if (numbers.length / 2 !== this.paxNumber('GNU.sparse.numblocks'))
      throw this.bad('its sparse map has not as many parts as it says');
    return numbers;
  }

  private onExtension(block: Buffer): void {
    this.charge(BLOCK);
    const { numbers, more } = oldGnuExtension(block, (rule) => this.bad(rule));
    for (const number of numbers) this.numbers.push(number);
    if (!more) this.beginSparse();
  }

  /** Format 1.0: decimal numbers in lines, the first says how many parts follow; up to the end of a block. */
  private onMap(block: Buffer): void {
    const { draft } = this;
    if (draft === undefined || draft.stored < BLOCK) throw this.bad('its sparse map goes beyond its content');
    this.charge(BLOCK);
    this.draft = { ...draft, stored: draft.stored - BLOCK };
    for (const byte of block) {
      if (byte !== 0x0a) {
        this.digits += String.fromCharCode(byte);
        if (this.digits.length > 16) throw this.bad('its sparse map has a number that is none');
        continue;
      }
      const number = decimal(Buffer.from(this.digits, 'latin1'));
      if (number === undefined) throw this.bad('its sparse map has a number that is none');
      this.digits = '';
      this.numbers.push(number);
      if (this.numbers.length === 1 + 2 * (this.numbers[0] ?? 0)) {
        this.numbers.shift();
        this.beginSparse();
        return;
      }
    }
  }

  private beginSparse(): void {
    const { draft } = this;
    if (draft === undefined) throw new Error('no sparse file was begun');
    const { entry, stored } = draft;
    const extents: readonly Extent[] = extentsOf(this.numbers, entry.size, stored, (rule) => this.bad(rule));
    this.numbers = [];
    this.draft = undefined;
    this.begin({ ...entry, extents }, stored);
  }

  // --- from one member to the next ----------------------------------------------------------------------------------

  private begin(entry: TarEntry, stored: number): void {
    if (entry.size > this.budgets.fileSize)
      throw this.over(`it has ${entry.size} bytes (at most ${this.budgets.fileSize})`);
    this.pax = undefined;
    this.longName = undefined;
    this.longLink = undefined;
    this.left = stored;
    this.padAfter = stored;
    this.handler.member(entry);
    this.state = 'content';
    if (stored === 0) this.endMember();
  }

  private padAfter = 0;

  private endMember(): void {
    this.pad(this.padAfter);
    this.handler.memberEnd();
  }

  private pad(size: number): void {
    this.left = (BLOCK - (size % BLOCK)) % BLOCK;
    this.state = this.left === 0 ? 'header' : 'padding';
  }

  private count(): void {
    this.members += 1;
    if (this.members > this.budgets.entries)
      throw overBudget(this.what, `it has more than ${this.budgets.entries} members`);
  }

  private charge(bytes: number): void {
    this.headerBytes += bytes;
    if (this.headerBytes > this.budgets.headers) throw this.tooManyHeaders();
  }

  private tooManyHeaders(): Error {
    return this.over(`its extended headers have more than ${this.budgets.headers} bytes`);
  }

  /** The member, as far as it is known. */
  private where(): string {
    if (this.name !== '') return quoted(this.name);
    const said = this.said('path') ?? this.longName;
    if (said !== undefined && isUtf8(said)) return quoted(said.toString('utf8'));
    return `member ${this.members + 1}`;
  }

  private bad(rule: string): Error {
    return badArchive(this.what, `${this.where()}: ${rule}`);
  }

  private over(rule: string): Error {
    return overBudget(this.what, `${this.where()}: ${rule}`);
  }
}
