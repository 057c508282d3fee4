/** `--filter KEY=VALUE`, repeatable: values of one key are alternatives, different keys all have to fit. */
import { TsDockError } from '../engine/failure.ts';

export type Filters = ReadonlyMap<string, readonly string[]>;

/** Refuses a key that there is not: a filter that is passed over would show what nobody asked for. */
export function filtersOf(texts: readonly string[], keys: readonly string[]): Filters {
  const filters = new Map<string, string[]>();
  for (const text of texts) {
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined || value === '' || !keys.includes(key))
      throw new TsDockError(
        'bad-usage',
        `expected the --filter option to be KEY=VALUE, got ${JSON.stringify(text)}`,
        { remedy: `KEY is one of ${keys.join(', ')}.` },
      );
    filters.set(key, [...(filters.get(key) ?? []), value]);
  }
  return filters;
}

/** Whether each key that was given has a value that fits. */
export function fits<T>(
  filters: Filters,
  rules: Readonly<Record<string, (thing: T, value: string) => boolean>>,
  thing: T,
): boolean {
  return [...filters].every(([key, values]) => values.some((value) => rules[key]?.(thing, value) === true));
}
