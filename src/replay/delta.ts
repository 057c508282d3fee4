/** What differs between two looks of one observer, so that a recording need not say the same hundred lines again and again. */
import type { Delta } from './format.ts';

type Lines = Readonly<Record<string, string>>;

/** Undefined where nothing differs. Applied to `old` it gives `fresh`, order included. */
export function deltaOf(old: Lines, fresh: Lines): Delta | undefined {
  const set = Object.fromEntries(Object.entries(fresh).filter(([key, value]) => old[key] !== value));
  const gone = Object.keys(old).filter((key) => !Object.hasOwn(fresh, key));
  const made = Object.keys(applied(old, { set, gone }));
  const ordered =
    made.length === Object.keys(fresh).length && Object.keys(fresh).every((key, i) => key === made[i]);
  if (!ordered) return { whole: fresh };
  return Object.keys(set).length === 0 && gone.length === 0 ? undefined : { set, gone };
}

export function applied(old: Lines, delta: Delta): Lines {
  if ('whole' in delta) return delta.whole;
  const lines = new Map(Object.entries(old));
  for (const key of delta.gone) lines.delete(key);
  for (const [key, value] of Object.entries(delta.set)) lines.set(key, value);
  return Object.fromEntries(lines);
}
