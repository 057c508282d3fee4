/** A value as JSON that {@link flatten} shows as it shows the value itself: what a recording has instead of the living one. */
import { compact, cut, isEnvironment, redacted, scalar } from './flatten.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A list or an object has no more members than this; one more says how many were left out. */
const MOST_MEMBERS = 500;

export function portable(value: unknown, showEnv: boolean): Json {
  const seen = new Set<object>();
  const walk = (name: string, item: unknown, depth: number): Json => {
    if (typeof item !== 'object' || item === null) return jsonOf(item);
    const text = compact(item, seen, depth);
    // What is empty is told by itself, and reads the same.
    if (text === '[]' || text === '{}') return text === '[]' ? [] : {};
    if (text !== undefined) return text;
    seen.add(item);
    const copy = Array.isArray(item) ? list(name, item, depth) : members(item, depth);
    seen.delete(item);
    return copy;
  };
  const list = (name: string, items: readonly unknown[], depth: number): Json => {
    const secret = isEnvironment(name) && !showEnv;
    const copies = items
      .slice(0, MOST_MEMBERS)
      .map((each) => walk('', secret && typeof each === 'string' ? redacted(each) : each, depth + 1));
    return items.length > MOST_MEMBERS ? [...copies, more(items.length)] : copies;
  };
  const members = (item: object, depth: number): Json => {
    const entries = Object.entries(item);
    const copies = entries
      .slice(0, MOST_MEMBERS)
      .map(([key, each]): [string, Json] => [key, walk(key, each, depth + 1)]);
    if (entries.length > MOST_MEMBERS) copies.push(['…', more(entries.length)]);
    return Object.fromEntries(copies);
  };
  return walk('', value, 0);
}

const more = (count: number): string => `+${(count - MOST_MEMBERS).toString()} more`;

/** JSON knows no undefined, no NaN, no bigint, no function: they become the words that `flatten` has for them. */
function jsonOf(item: unknown): Json {
  if (item === null || typeof item === 'boolean') return item;
  if (typeof item === 'number' && Number.isFinite(item)) return item;
  return cut(scalar(item));
}
