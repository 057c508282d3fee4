/** The stepper's words: what a person types becomes a command of the engine's. Each has a word and a key. */
import type { FrontEndCommand } from '../../engine/frontend.ts';
import { nearest } from '../../engine/patterns.ts';
import { OBSERVERS } from '../../observe/names.ts';

type Name = FrontEndCommand['command'] | 'walk' | 'help';

export interface Word {
  readonly word: Name;
  readonly key: string;
  readonly argument: string;
  readonly what: string;
}

export const WORDS: readonly Word[] = [
  { word: 'next', key: 'n', argument: '', what: 'run this step and stop before the next (also Enter)' },
  { word: 'continue', key: 'c', argument: '', what: 'run on to the next breakpoint (also Ctrl-D)' },
  {
    word: 'walk',
    key: 'w',
    argument: '',
    what: 'run every step to the end, showing each',
  },
  { word: 'break', key: 'b', argument: 'STEP', what: 'stop at STEP, STEP:after or start.*' },
  { word: 'unbreak', key: 'u', argument: 'STEP', what: 'forget that breakpoint' },
  { word: 'list', key: 'l', argument: '', what: 'all steps, and where this is' },
  { word: 'explain', key: 'e', argument: '[STEP]', what: 'the whole card of this step, another, or a stage' },
  {
    word: 'dump',
    key: 'd',
    argument: '[WHAT]',
    what: 'values, or what an observer sees: mounts, process, links …',
  },
  { word: 'diff', key: 'f', argument: '', what: 'what the last step changed' },
  { word: 'calls', key: 'k', argument: '', what: 'what the last step asked the kernel' },
  {
    word: 'shell',
    key: 's',
    argument: '[COMMAND]',
    what: 'a shell: on the host, from the clone on in the container',
  },
  { word: 'quit', key: 'q', argument: '', what: 'undo all that this command began, and end (also Ctrl-C)' },
  { word: 'help', key: 'h', argument: '', what: 'these words (also ?)' },
];

export type Parsed =
  | FrontEndCommand
  | { readonly command: 'walk' }
  | { readonly command: 'help' }
  | { readonly command: 'unknown'; readonly text: string };

export function parseCommand(line: string): Parsed {
  const [first = '', argument, ...more] = line.trim().split(/\s+/);
  const found = wordFor(first);
  if (found === undefined) return unknown(notKnown(first));
  const { word, argument: takes } = found;
  if (word === 'shell') {
    const rest = line.trim().slice(first.length).trim();
    return { command: word, line: rest === '' ? null : rest };
  }
  if (more.length > 0 || (argument !== undefined && takes === '')) {
    return unknown(`${word} takes ${takes === '' ? 'nothing' : takes}, got ${JSON.stringify(line.trim())}`);
  }
  switch (word) {
    case 'break':
    case 'unbreak':
      return argument === undefined
        ? unknown(`${word} needs the name of a step`)
        : { command: word, pattern: argument };
    case 'explain':
      return { command: word, id: argument ?? null };
    case 'dump':
      return { command: word, what: argument ?? null };
    default:
      return { command: word };
  }
}

/** Enter is `next`, as in every debugger; a beginning that only one word has is that word. */
function wordFor(text: string): Word | undefined {
  const name = text === '' ? 'next' : text === '?' ? 'help' : text;
  const begun = WORDS.filter(({ word }) => word.startsWith(name));
  return (
    WORDS.find(({ word, key }) => name === word || name === key) ??
    (begun.length === 1 ? begun[0] : undefined)
  );
}

function unknown(text: string): Parsed {
  return { command: 'unknown', text };
}

function notKnown(first: string): string {
  const near = nearest(
    first,
    WORDS.map(({ word }) => word),
  );
  return `${JSON.stringify(first)} is no command${near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''} (h shows them all)`;
}

export function helpText(): string {
  return WORDS.map(
    ({ word, key, argument, what }) => `  ${key}  ${`${word} ${argument}`.padEnd(15)} ${what}`,
  ).join('\n');
}

const AFTER_STEP = ['break', 'unbreak', 'explain'];

/** Completion for readline: what the last word may become, and that word. */
export function complete(line: string, ids: readonly string[]): [string[], string] {
  const words = line.trimStart().split(/\s+/);
  const last = words.at(-1) ?? '';
  const first = WORDS.find(({ word, key }) => words[0] === word || words[0] === key)?.word ?? '';
  const stages = [...new Set(ids.map((id) => id.slice(0, id.indexOf('.'))))];
  const names = first === 'explain' ? [...ids, ...stages] : [...ids, ...stages.map((stage) => `${stage}.*`)];
  const choices =
    words.length <= 1
      ? WORDS.map(({ word }) => word)
      : first === 'dump'
        ? ['values', ...OBSERVERS]
        : AFTER_STEP.includes(first)
          ? names
          : [];
  return [choices.filter((choice) => choice.startsWith(last)), last];
}
