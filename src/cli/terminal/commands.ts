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

export type Words = readonly Word[];

export const WORDS: Words = [
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

const ONLY_THERE: Words = [
  { word: 'back', key: 'p', argument: '', what: 'back to where the step before began' },
  { word: 'goto', key: 'g', argument: 'STEP', what: 'go to STEP, STEP:after, or the step of that number' },
  { word: 'first', key: '^', argument: '', what: 'go to the beginning' },
  { word: 'last', key: '$', argument: '', what: 'go to the end' },
  {
    word: 'search',
    key: '/',
    argument: 'TEXT',
    what: 'look for TEXT in cards, calls, values, observations, output',
  },
];

const OTHERWISE_THERE: Partial<Record<Name, string>> = {
  next: 'on to the next step (also Enter)',
  walk: 'on to the end, showing each step',
  quit: 'leave the recording (also Ctrl-C)',
};

/** What can be said to a recording. */
export const REPLAY_WORDS: Words = [
  ...WORDS.filter(({ word }) => word !== 'shell').map((word) => ({
    ...word,
    what: OTHERWISE_THERE[word.word] ?? word.what,
  })),
  ...ONLY_THERE,
];

export type Parsed =
  | FrontEndCommand
  | { readonly command: 'walk' }
  | { readonly command: 'help' }
  | { readonly command: 'unknown'; readonly text: string };

/** @param words - which there are; what can only be said to a recording is left for the engine to refuse */
export function parseCommand(line: string, words = WORDS): Parsed {
  const [first = '', argument, ...more] = line.trim().split(/\s+/);
  const found = wordFor(first, words) ?? ONLY_THERE.find(({ word }) => word === first);
  if (found === undefined) return unknown(notKnown(first, words));
  const { word, argument: takes } = found;
  if (word === 'search') {
    const text = line.trim().slice(first.length).trim();
    return text === '' ? unknown('search needs a text') : { command: word, text };
  }
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
    case 'goto':
      return argument === undefined
        ? unknown('goto needs the name or the number of a step')
        : { command: word, to: argument };
    case 'explain':
      return { command: word, id: argument ?? null };
    case 'dump':
      return { command: word, what: argument ?? null };
    default:
      return { command: word };
  }
}

/** Enter is `next`, as in every debugger; a beginning that only one word has is that word. */
function wordFor(text: string, words: Words): Word | undefined {
  const name = text === '' ? 'next' : text === '?' ? 'help' : text;
  const begun = words.filter(({ word }) => word.startsWith(name));
  return (
    words.find(({ word, key }) => name === word || name === key) ??
    (begun.length === 1 ? begun[0] : undefined)
  );
}

function unknown(text: string): Parsed {
  return { command: 'unknown', text };
}

function notKnown(first: string, words: Words): string {
  const near = nearest(
    first,
    words.map(({ word }) => word),
  );
  return `${JSON.stringify(first)} is no command${near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''} (h shows them all)`;
}

export function helpText(words = WORDS): string {
  return words
    .map(({ word, key, argument, what }) => `  ${key}  ${`${word} ${argument}`.padEnd(15)} ${what}`)
    .join('\n');
}

const AFTER_STEP = ['break', 'unbreak', 'explain', 'goto'];

/** Completion for readline: what the last word may become, and that word. */
export function complete(line: string, ids: readonly string[], vocabulary = WORDS): [string[], string] {
  const words = line.trimStart().split(/\s+/);
  const last = words.at(-1) ?? '';
  const first = vocabulary.find(({ word, key }) => words[0] === word || words[0] === key)?.word ?? '';
  const stages = [...new Set(ids.map((id) => id.slice(0, id.indexOf('.'))))];
  const names = first === 'explain' ? [...ids, ...stages] : [...ids, ...stages.map((stage) => `${stage}.*`)];
  const choices =
    words.length <= 1
      ? vocabulary.map(({ word }) => word)
      : first === 'dump'
        ? ['values', ...OBSERVERS]
        : AFTER_STEP.includes(first)
          ? names
          : [];
  return [choices.filter((choice) => choice.startsWith(last)), last];
}
