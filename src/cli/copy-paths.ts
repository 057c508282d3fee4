/** The two arguments of `cp`, by Docker's rules: which is in a container, and which is here. */
import { posix } from 'node:path';
import { TsDockError } from '../engine/failure.ts';

export interface CopyWords {
  readonly direction: 'out' | 'in';
  readonly container: string;
  /** Absolute and without `.` and `..`, but for what its end says: `/` and `/.` stay. */
  readonly inside: string;
  /** The same of this host; null: standard input or output. */
  readonly here: string | null;
}

export function copyWords(from: string, to: string, cwd: string): CopyWords {
  const source = split(from);
  const target = split(to);
  if (source === undefined && target === undefined)
    throw badCopy('cannot copy: one of the two must be CONTAINER:PATH', [
      'Both are paths of this host.',
      'For files of this host alone there is cp(1).',
    ]);
  if (source !== undefined && target !== undefined)
    throw badCopy('copying between containers is not supported', [
      'Both are CONTAINER:PATH. A path of this host with a `:` in it is written ./like:this.',
      'Go through a pipe: `ts-dock cp A:PATH - | ts-dock cp - B:DIRECTORY`.',
    ]);
  const [direction, inside, here] =
    source === undefined ? (['in', target, from] as const) : (['out', source, to] as const);
  if (inside === undefined || inside.container === '' || inside.path === '' || here === '')
    throw badCopy(`cannot copy ${JSON.stringify(from)} to ${JSON.stringify(to)}: a name is empty`, [
      'Both the container and the path must be given.',
      'Write it as CONTAINER:PATH.',
    ]);
  return {
    direction,
    container: inside.container,
    inside: cleaned(`/${inside.path}`),
    here: here === '-' ? null : cleaned(posix.isAbsolute(here) ? here : `${cwd}/${here}`),
  };
}

/** What begins with `/` or `.` is here, and so is what has no `:`. */
function split(text: string): { readonly container: string; readonly path: string } | undefined {
  const colon = text.indexOf(':');
  if (colon < 0 || text.startsWith('/') || text.startsWith('.')) return undefined;
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** `..` goes by the text, as in Docker and in a shell; the ends `/` and `/.` mean something and stay. */
function cleaned(path: string): string {
  const plain = posix.normalize(path).replace(/(.)\/$/, '$1');
  if (plain === '/') return plain;
  return /\/\.$/.test(path) ? `${plain}/.` : path.endsWith('/') ? `${plain}/` : plain;
}

function badCopy(message: string, [means, remedy]: readonly [string, string]): TsDockError {
  return new TsDockError('bad-usage', message, { means, remedy });
}
