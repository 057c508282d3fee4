/** How a refused archive is spoken of: names come from anybody, and go to a terminal. */
import { TsDockError } from '../engine/failure.ts';

/** Enough to find a member by; a name may be a megabyte. */
const SHOWN = 200;

/** A name in quotes; what a terminal would act upon, or what would turn the text around, is escaped. */
export function quoted(name: string): string {
  const text = JSON.stringify(name.length > SHOWN ? `${name.slice(0, SHOWN)}…` : name);
  return text.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Bytes that are no text, as `\xNN` where they are not ASCII. */
export function quotedBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, SHOWN))
    text +=
      byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, '0')}`;
  return `"${text}${bytes.length > SHOWN ? '…' : ''}"`;
}

const WHOLE = 'An archive that is damaged or breaks a rule is refused as a whole.';

export function badArchive(
  what: string,
  why: string,
  cause?: unknown,
  wording: { readonly means: string; readonly remedy?: string } = { means: WHOLE },
): TsDockError {
  return new TsDockError('bad-archive', `cannot read ${what}: ${why}`, {
    ...wording,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A budget is used up. */
export function overBudget(what: string, why: string): TsDockError {
  return new TsDockError('bad-archive', `cannot read ${what}: ${why}`, {
    means: 'A budget keeps a small archive from filling a disk or a memory.',
  });
}
