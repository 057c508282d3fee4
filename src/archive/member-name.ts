/** What a name in an archive may be, and what it comes to: plain components, one below the other. */
import type { Reason } from '../engine/failure.ts';
import type { Budgets } from './budgets.ts';

const WHITEOUT = '.wh.';
/** Bytes that a file system takes in one name (NAME_MAX). */
const LONGEST_COMPONENT = 255;

/** Why a member is refused. */
export interface Rule {
  readonly reason: Extract<Reason, 'bad-archive' | 'breakout'>;
  readonly rule: string;
}

/**
 * Leading slashes are cut off, as tar and Docker do it; `.` and empty components say nothing. `..` is refused also where it
 * would stay within: no archiver writes it, and it means one thing before a link is made and another thing after.
 *
 * @param what - `name`, or whatever else of the member this is. @param marks - `.wh.` does not count. @returns empty for
 * the top itself.
 */
export function partsOf(
  name: string,
  what: string,
  budgets: Budgets,
  marks: boolean,
): readonly string[] | Rule {
  const bad = (rule: string): Rule => ({ reason: 'bad-archive', rule: `its ${what} ${rule}` });
  if (name === '') return bad('is empty');
  if (name.includes('\0')) return bad('has a NUL byte');
  if (Buffer.byteLength(name) > budgets.path) return bad(`is longer than ${budgets.path.toString()} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { reason: 'breakout', rule: `its ${what} has ".."` };
  if (parts.length > budgets.depth) return bad(`is more than ${budgets.depth.toString()} folders deep`);
  if (parts.some((part) => tooLong(part, marks)))
    return bad(`has a part of more than ${LONGEST_COMPONENT.toString()} bytes`);
  return parts;
}

/** What a whiteout stands for may have the longest name that there is. */
function tooLong(part: string, marks: boolean): boolean {
  // No character has more than four bytes in UTF-8, so most names need not be measured.
  if (part.length <= LONGEST_COMPONENT / 4) return false;
  const mark = marks && part.startsWith(WHITEOUT) ? WHITEOUT.length : 0;
  return Buffer.byteLength(part) - mark > LONGEST_COMPONENT;
}

const META = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

/** `.wh.NAME` hides NAME of the layers below; `opaque` hides all that they have in the folder; `meta` is aufs's own. */
export type Mark =
  | { readonly is: 'none' | 'opaque' | 'meta' }
  | { readonly is: 'whiteout'; readonly of: string }
  | ({ readonly is: 'refused' } & Rule);

/** What the names of a layer's member say beyond themselves. @param parts - not empty. */
export function markOf(parts: readonly string[]): Mark {
  const own = parts.at(-1) ?? '';
  // aufs keeps what it needs for itself in folders such as `.wh..wh.plnk`.
  if (parts.slice(0, -1).some((part) => part.startsWith(META))) return { is: 'meta' };
  if (parts.slice(0, -1).some((part) => part.startsWith(WHITEOUT)))
    return { is: 'refused', reason: 'bad-archive', rule: 'it lies beneath a whiteout' };
  if (!own.startsWith(WHITEOUT)) return { is: 'none' };
  if (own === OPAQUE) return { is: 'opaque' };
  if (own.startsWith(META)) return { is: 'meta' };
  const of = own.slice(WHITEOUT.length);
  if (of === '') return { is: 'refused', reason: 'bad-archive', rule: 'it is a whiteout of nothing' };
  if (of === '.' || of === '..')
    return { is: 'refused', reason: 'breakout', rule: `it is a whiteout of "${of}"` };
  return { is: 'whiteout', of };
}
