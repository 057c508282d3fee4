/** What differs between two looks of one observer, so that a recording need not say the same hundred lines again and again. */
import type { Delta } from './format.ts';

type Lines = Readonly<Record<string, string>>;

/** Undefined where nothing differs. Applied to `old` it gives `fresh`, order included. */
export function deltaOf(old: Lines, fresh: Lines): Delta | undefined {
  const before = new Map(Object.entries(old));
  const set = Object.fromEntries(Object.entries(fresh).filter(([key, value]) => before.get(key) !== value));
  const gone = [...before.keys()].filter((key) => !Object.hasOwn(fresh, key));
  const made = [...applied(before, { set, gone }).keys()];
  const keys = Object.keys(fresh);
  if (made.length !== keys.length || keys.some((key, i) => key !== made[i])) return { whole: fresh };
  return Object.keys(set).length === 0 && gone.length === 0 ? undefined : { set, gone };
}

/** Changes `lines` in place, but for a look that is told as a whole. */
export function applied(lines: Map<string, string>, delta: Delta): Map<string, string> {
  if ('whole' in delta) return new Map(Object.entries(delta.whole));
  for (const key of delta.gone) lines.delete(key);
  for (const [key, value] of Object.entries(delta.set)) lines.set(key, value);
  return lines;
}
