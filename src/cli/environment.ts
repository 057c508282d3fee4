/**
 * The environment that a user asks for: `-e` and `--env-file` by Docker's rules. Files come first, `-e` after them, and
 * the last word on a name counts.
 */
import { TsDockError } from '../engine/failure.ts';
import { expected } from './option-values.ts';

type Ours = Readonly<Record<string, string | undefined>>;

/** `K=V` as it stands, `K` with our own value. A name that we have not set either says nothing. */
function variable(text: string, ours: Ours): string | undefined {
  if (text.includes('=')) return text;
  const value = ours[text];
  return value === undefined ? undefined : `${text}=${value}`;
}

function fromOption(text: string, ours: Ours): string | undefined {
  if (text === '' || text.startsWith('=') || text.includes('\0'))
    throw expected('--env', 'NAME=VALUE or NAME', text);
  return variable(text, ours);
}

function fromLine(line: string, file: string, number: number, ours: Ours): string | undefined {
  const text = line.trimStart();
  if (text === '' || text.startsWith('#')) return undefined;
  const equals = text.indexOf('=');
  // What stands behind the first `=` is passed on untouched: blanks and quotes belong to the value.
  const name = equals < 0 ? text.trimEnd() : text.slice(0, equals);
  if (name === '' || /[\s\0]/.test(name)) {
    throw new TsDockError(
      'bad-usage',
      `expected line ${number} of ${file} to be NAME=VALUE or NAME, got ${JSON.stringify(line)}`,
      { means: 'The name of a variable is not empty and has no blanks.' },
    );
  }
  return variable(equals < 0 ? name : text, ours);
}

/** The variables of an environment file. */
export function parseEnvFile(content: string, file: string, ours: Ours): string[] {
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  return lines.flatMap((line, index) => fromLine(line, file, index + 1, ours) ?? []);
}

export interface EnvironmentOptions {
  readonly env: readonly string[];
  readonly envFile: readonly string[];
}

export function environmentOf(
  options: EnvironmentOptions,
  ours: Ours,
  readFile: (path: string) => string,
): string[] {
  const files = options.envFile.flatMap((file) => parseEnvFile(contentOf(file, readFile), file, ours));
  const given = options.env.flatMap((text) => fromOption(text, ours) ?? []);
  const byName = new Map<string, string>();
  for (const entry of [...files, ...given]) byName.set(entry.slice(0, entry.indexOf('=')), entry);
  return [...byName.values()];
}

function contentOf(file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TsDockError(
      'bad-usage',
      `expected the --env-file option to be a file that can be read, got ${JSON.stringify(file)}: ${why}`,
      { cause },
    );
  }
}
