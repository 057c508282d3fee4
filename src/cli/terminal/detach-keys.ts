/**
 * The keys that leave a container's terminal without ending it: Docker's spelling, and a watch on what is typed. What may
 * still become the sequence is held back; what turns out not to be it goes through unchanged.
 */
import { TsDockError } from '../../engine/failure.ts';

export const DETACH_KEYS = 'ctrl-p,ctrl-q';

/** `ctrl-p,ctrl-q` or `ctrl-],x`: the bytes that those keys send. */
export function parseDetachKeys(text: string): Uint8Array {
  return Uint8Array.from(text.split(','), (key) => {
    const byte = byteOf(key);
    if (byte !== undefined) return byte;
    throw new TsDockError(
      'bad-usage',
      `expected the --detach-keys option to be keys between commas, each one character or ctrl- and one of a-z @ [ \\ ] ^ _, got ${JSON.stringify(text)}`,
    );
  });
}

function byteOf(key: string): number | undefined {
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
  const letter = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
  // A control key sends its letter without the two upper bits.
  return letter === undefined ? undefined : letter.charCodeAt(0) & 0x1f;
}

export interface Typed {
  /** What goes through. */
  readonly pass: Buffer;
  /** The sequence is complete; what was typed after it is dropped. */
  readonly detached: boolean;
}

export class DetachWatch {
  private readonly keys: Uint8Array;
  /** How much of the sequence has been typed and is held back. */
  private held = 0;

  constructor(keys: Uint8Array) {
    this.keys = keys;
  }

  feed(bytes: Uint8Array): Typed {
    const pass: number[] = [];
    for (const byte of bytes) {
      while (this.held > 0 && byte !== this.keys[this.held]) this.giveUpOne(pass);
      if (byte !== this.keys[this.held]) pass.push(byte);
      else this.held += 1;
      if (this.held === this.keys.length) {
        this.held = 0;
        return { pass: Buffer.from(pass), detached: true };
      }
    }
    return { pass: Buffer.from(pass), detached: false };
  }

  /** What is held back began too early: its first bytes go through, until the rest is a beginning again. */
  private giveUpOne(pass: number[]): void {
    const typed = this.keys.subarray(0, this.held);
    do {
      pass.push(typed[typed.length - this.held] ?? 0);
      this.held -= 1;
    } while (!typed.subarray(typed.length - this.held).every((byte, at) => byte === this.keys[at]));
  }
}
