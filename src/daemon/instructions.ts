/**
 * Instructions of a Dockerfile that change what an image says of its containers, one a line, as `--change` takes them:
 * CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, with the grammar of Docker's builder.
 */
import { posix } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Carried } from './image-config.ts';
import type { Config } from './model.ts';
import { signalNumber } from './signals.ts';

export interface Said {
  readonly config: Partial<Config>;
  readonly carried?: Carried;
}

interface Line {
  readonly text: string;
  readonly word: string;
  readonly rest: string;
}

/** @throws TsDockError `bad-usage`: names the line and the rule. */
export function applyInstructions(before: Said, lines: readonly string[]): Said {
  let said = before;
  const given = new Set<string>();
  for (const text of lines) {
    const [, word = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s+([^]*?))?\s*$/.exec(text) ?? [];
    const line = { text, word: word.toUpperCase(), rest };
    const act = INSTRUCTIONS[line.word];
    if (!Object.hasOwn(INSTRUCTIONS, line.word) || act === undefined)
      throw refused(line, `it begins with none of ${Object.keys(INSTRUCTIONS).join(', ')}`);
    if (rest === '') throw refused(line, `${line.word} says nothing`);
    said = act(said, line, given);
    given.add(line.word);
  }
  return said;
}

function refused({ text }: Line, why: string): TsDockError {
  return new TsDockError('bad-usage', `cannot apply the change ${JSON.stringify(text)}: ${why}`, {
    remedy:
      "A change is an instruction of a Dockerfile, e.g. --change 'CMD [\"/bin/sh\"]' or --change 'ENV A=b'.",
  });
}

type Act = (said: Said, line: Line, given: ReadonlySet<string>) => Said;

const put = (said: Said, config: Partial<Config>): Said => ({
  ...said,
  config: { ...said.config, ...config },
});
const carry = (said: Said, carried: Carried): Said => ({ ...said, carried: { ...said.carried, ...carried } });

const INSTRUCTIONS: Readonly<Record<string, Act>> = {
  CMD: (said, line) => put(said, { Cmd: commandOf(line) }),
  ENTRYPOINT: (said, line, given) => {
    // A command that was there before is of the entry point that was there before.
    const own = given.has('CMD') ? {} : { Cmd: null };
    return put(said, { ...(said.config.Cmd === undefined ? {} : own), Entrypoint: commandOf(line) });
  },
  ENV: (said, line) => {
    const env = new Map((said.config.Env ?? []).map((each) => [each.slice(0, each.indexOf('=')), each]));
    for (const [name, value] of pairsOf(said, line)) env.set(name, `${name}=${value}`);
    return put(said, { Env: [...env.values()] });
  },
  EXPOSE: (said, line) => {
    const ports = wordsOf(said, line).flatMap((word) => portsOf(line, word));
    return put(said, { ExposedPorts: { ...said.config.ExposedPorts, ...keysOf(ports) } });
  },
  LABEL: (said, line) =>
    carry(said, { Labels: { ...said.carried?.Labels, ...Object.fromEntries(pairsOf(said, line)) } }),
  ONBUILD: (said, line) => {
    if (/^(ONBUILD|FROM|MAINTAINER)\b/i.test(line.rest)) throw refused(line, 'that may not follow ONBUILD');
    return carry(said, { OnBuild: [...(said.carried?.OnBuild ?? []), line.rest] });
  },
  STOPSIGNAL: (said, line) => {
    const signal = oneWord(said, line);
    if (signalNumber(signal) === undefined) throw refused(line, `${JSON.stringify(signal)} is not a signal`);
    return put(said, { StopSignal: signal });
  },
  USER: (said, line) => put(said, { User: oneWord(said, line) }),
  VOLUME: (said, line) => {
    const folders = listOf(line) ?? wordsOf(said, line);
    if (folders.some((folder) => folder.trim() === '')) throw refused(line, 'a volume has a name');
    return put(said, { Volumes: { ...said.config.Volumes, ...keysOf(folders) } });
  },
  WORKDIR: (said, line) => {
    const folder = wordsOf(said, line).join(' ');
    return put(said, { WorkingDir: posix.resolve('/', said.config.WorkingDir ?? '', folder) });
  },
};

const keysOf = (names: readonly string[]): Record<string, Record<string, never>> =>
  Object.fromEntries(names.map((name) => [name, {}]));

/** `["a", "b"]` is the command itself; anything else is a line for a shell. */
function commandOf(line: Line): string[] {
  return listOf(line) ?? ['/bin/sh', '-c', line.rest];
}

/** Undefined where it is not written as a list. */
function listOf(line: Line): string[] | undefined {
  if (!line.rest.startsWith('[') || !line.rest.endsWith(']')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(line.rest);
  } catch {
    // `[ls]` would become a line for a shell that knows no command of this name, and nobody would see why.
    throw refused(line, 'a list is written as JSON, with "double quotes"');
  }
  if (
    !Array.isArray(list) ||
    !list.every((each): each is string => typeof each === 'string' && !each.includes('\0'))
  )
    throw refused(line, 'a list consists of texts');
  return list;
}

function portsOf(line: Line, text: string): string[] {
  const [, low, high = low, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [from, to] = [Number(low), Number(high)];
  if (low === undefined || from < 1 || to > 65_535 || from > to)
    throw refused(line, `${JSON.stringify(text)} is not PORT[-PORT][/tcp|udp|sctp]`);
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}/${protocol.toLowerCase()}`);
}

function oneWord(said: Said, line: Line): string {
  const [word = '', ...more] = wordsOf(said, line);
  if (more.length > 0) throw refused(line, `${line.word} takes one word`);
  return word;
}

/** `A=b C="d e"`, or in the oldest manner `A b c`. */
function pairsOf(said: Said, line: Line): [string, string][] {
  const [first = ''] = line.rest.split(/\s/, 1);
  if (!first.includes('=')) {
    const value = line.rest.slice(first.length).trim();
    if (value === '') throw refused(line, `${line.word} is NAME=VALUE`);
    return [pairOf(line, first, substituted(said, line, value, true).join(' '))];
  }
  return wordsOf(said, line).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw refused(line, `${JSON.stringify(word)} is not NAME=VALUE`);
    return pairOf(line, word.slice(0, equals), word.slice(equals + 1));
  });
}

function pairOf(line: Line, name: string, value: string): [string, string] {
  if (name === '') throw refused(line, 'a name is not empty');
  return [name, value];
}

const wordsOf = (said: Said, line: Line): string[] => substituted(said, line, line.rest, false);

/**
 * Words as a shell would see them: quotes and backslashes are taken away, `$NAME`, `${NAME}`, `${NAME:-else}` and
 * `${NAME:+then}` become what the image's environment says. @param whole - blanks do not separate.
 */
function substituted({ config }: Said, line: Line, text: string, whole: boolean): string[] {
  const env = new Map(
    (config.Env ?? []).map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] ?? '';
    const next = text[at + 1] ?? '';
    if (sign === '\0') throw refused(line, 'it has a NUL in it');
    if (quote === '' && !whole && /\s/.test(sign)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (sign === quote) quote = '';
    else if (quote === '' && (sign === '"' || sign === "'")) quote = sign;
    else if (sign === '\\' && quote !== "'" && (quote === '' || /["$\\]/.test(next))) {
      word += next;
      at += 1;
    } else if (sign === '$' && quote !== "'") {
      const [all = '$', plain, braced, how, other = ''] =
        /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:[-+])([^}]*))?\})/.exec(text.slice(at)) ?? [];
      if (all === '$' && next === '{')
        throw refused(line, `${text.slice(at, at + 20)} is not closed, or not known`);
      const value = env.get(plain ?? braced ?? '') ?? '';
      word +=
        all === '$'
          ? '$'
          : how === ':-'
            ? value || other
            : how === ':+'
              ? value === ''
                ? ''
                : other
              : value;
      at += all.length - 1;
    } else word += sign;
  }
  if (quote !== '') throw refused(line, `a ${quote} is not closed`);
  return word === undefined ? words : [...words, word];
}
