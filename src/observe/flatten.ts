/** A nested value as flat lines, so that two looks at it can be compared key by key, with secrets left out. */

export interface FlattenOptions {
  /** Values of environment variables are shown. */
  readonly showEnv: boolean;
  /** Lines beyond this are counted, not shown. */
  readonly most?: number;
}

const MOST_LINES = 400;
export const MOST_DEPTH = 8;
const MOST_CHARACTERS = 300;

/** `PATH=…`: which variables there are is no secret, what they say may be one. */
export function redacted(variable: string): string {
  const equals = variable.indexOf('=');
  return equals < 0 ? variable : `${variable.slice(0, equals)}=…`;
}

export const isEnvironment = (key: string): boolean => /^env(ironment)?$/i.test(key);

export function cut(text: string, most = MOST_CHARACTERS): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** `Config.Env[0]` → `PATH=…`, and so on. Cycles, functions and depths end in a word. */
export function flatten(value: unknown, options: FlattenOptions): Record<string, string> {
  const lines: Record<string, string> = {};
  const most = options.most ?? MOST_LINES;
  const seen = new Set<object>();
  let more = 0;
  const put = (key: string, text: string): void => {
    if (Object.keys(lines).length < most) lines[key] = cut(text);
    else more += 1;
  };
  const walk = (key: string, name: string, item: unknown, depth: number): void => {
    if (typeof item !== 'object' || item === null) {
      put(key, scalar(item));
      return;
    }
    const text = compact(item, seen, depth);
    if (text !== undefined) {
      put(key, text);
      return;
    }
    seen.add(item);
    if (Array.isArray(item)) {
      const secret = isEnvironment(name) && !options.showEnv;
      item.forEach((each: unknown, index) => {
        const shown: unknown = secret && typeof each === 'string' ? redacted(each) : each;
        walk(`${key}[${index}]`, '', shown, depth + 1);
      });
    } else {
      for (const [inner, each] of Object.entries(item))
        walk(key === '' ? inner : `${key}.${inner}`, inner, each, depth + 1);
    }
    seen.delete(item);
  };
  walk('', '', value, 0);
  if (more > 0) lines['…'] = `+${more} more`;
  return lines;
}

/** The text of an object that is not opened up; undefined for one that is. */
export function compact(item: object, seen: ReadonlySet<object>, depth: number): string | undefined {
  if (seen.has(item)) return '(again)';
  if (ArrayBuffer.isView(item)) return `${item.byteLength} bytes`;
  if (Array.isArray(item))
    return item.length === 0 ? '[]' : depth >= MOST_DEPTH ? `${item.length} entries` : undefined;
  const prototype: unknown = Object.getPrototypeOf(item);
  if (prototype !== Object.prototype && prototype !== null) return `(${item.constructor.name})`;
  const size = Object.keys(item).length;
  return size === 0 ? '{}' : depth >= MOST_DEPTH ? `${size} entries` : undefined;
}

export function scalar(item: unknown): string {
  if (typeof item === 'string') return item;
  if (typeof item === 'function') return '(function)';
  return String(item);
}
