/** `WWW-Authenticate` (RFC 9110, 11.6.1): schemes with parameters, whose values may be quoted and have commas in them. Pure. */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const LONGEST = 8192;

/** What cannot be read ends the list: a half-read challenge is none. */
export function parseChallenges(header: string): Challenge[] {
  if (header.length > LONGEST) return [];
  const found: Challenge[] = [];
  let at = 0;
  const blanks = (also: string): void => {
    while (at < header.length && (/[ \t]/.test(header.charAt(at)) || header.charAt(at) === also)) at += 1;
  };
  const token = (): string => {
    TOKEN.lastIndex = at;
    const text = TOKEN.exec(header)?.[0] ?? '';
    at += text.length;
    return text;
  };
  const quoted = (): string | undefined => {
    let text = '';
    for (at += 1; at < header.length; at += 1) {
      const char = header.charAt(at);
      if (char === '"') {
        at += 1;
        return text;
      }
      if (char === '\\') at += 1;
      text += header.charAt(at);
    }
    return undefined;
  };
  for (;;) {
    blanks(',');
    if (at >= header.length) return found;
    const scheme = token().toLowerCase();
    if (scheme === '') return found;
    const parameters = new Map<string, string>();
    for (;;) {
      blanks(',');
      const before = at;
      const name = token().toLowerCase();
      blanks('');
      if (name === '' || header.charAt(at) !== '=') {
        // The next scheme, or the end.
        at = before;
        break;
      }
      at += 1;
      blanks('');
      const value = header.charAt(at) === '"' ? quoted() : token();
      if (value === undefined) return found;
      parameters.set(name, value);
    }
    found.push({ scheme, parameters });
  }
}
