/**
 * Reads the JSON documents of image layouts, which anybody may have written: each is parsed to what it must be or refused
 * with one sentence that says the file, the entry, the rule (CVE-2021-21285: a malformed manifest ended the daemon).
 */
import { isUtf8 } from 'node:buffer';
import { badArchive, quoted } from '../archive/refusal.ts';
import type { TsDockError } from '../engine/failure.ts';

/** A place in a document: `app.tar: manifest.json: [0].Layers`. */
export class At {
  readonly value: unknown;
  private readonly file: string;
  private readonly entry: string;
  private readonly path: string;

  constructor(file: string, entry: string, value: unknown, path = '') {
    this.file = file;
    this.entry = entry;
    this.value = value;
    this.path = path;
  }

  /** @param rule - goes on after the name of the place: `must be text`. */
  refused(rule: string): TsDockError {
    return badEntry(this.file, this.entry, this.path === '' ? `it ${rule}` : `${this.path} ${rule}`);
  }

  object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.refused('must be an object');
    return value as Readonly<Record<string, unknown>>;
  }

  /** The place of that name in an object. Only what is its own: a document may be silent about `constructor`. */
  get(name: string): At {
    const object = this.object();
    const path = /^[A-Za-z][\w-]*$/.test(name)
      ? `${this.path}${this.path === '' ? '' : '.'}${name}`
      : `${this.path}[${quoted(name)}]`;
    return new At(this.file, this.entry, Object.hasOwn(object, name) ? object[name] : undefined, path);
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  list(most: number): At[] {
    const { value } = this;
    if (!Array.isArray(value)) throw this.refused('must be a list');
    if (value.length > most) throw this.refused(`has ${value.length} parts, and may have ${most}`);
    return value.map((each, i) => new At(this.file, this.entry, each, `${this.path}[${i}]`));
  }

  entries(): [string, At][] {
    return Object.keys(this.object()).map((name) => [name, this.get(name)]);
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.refused('must be text');
    // It would end a string for the kernel: what was checked would not be what is used.
    if (this.value.includes('\0')) throw this.refused('must not have a NUL in it');
    return this.value;
  }

  /** Empty where there is none. */
  textOrNone(): string {
    return this.isThere ? this.text() : '';
  }

  bytes(): number {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0)
      throw this.refused('must be a number of bytes');
    return this.value as number;
  }
}

export function badEntry(file: string, entry: string, why: string, cause?: unknown): TsDockError {
  return badArchive(`${file}: ${entry}`, why, cause, {
    means: 'A layout of images that breaks a rule is refused as a whole; nothing of it was kept.',
  });
}

/** The text whose digest is that of the bytes: what is not UTF-8 would become other bytes. */
export function textOf(where: string, bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw badArchive(where, 'it must be JSON, and is not even UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

export function parseDocument(file: string, entry: string, bytes: Uint8Array): At {
  const text = textOf(`${file}: ${entry}`, bytes);
  try {
    return new At(file, entry, JSON.parse(text));
  } catch (cause) {
    throw badEntry(file, entry, 'it must be JSON', cause);
  }
}
