/** Looks for a text in all that a recording says, in the order in which it came to be. */
import { compensationText } from '../engine/compensation.ts';
import type { Hit, StepInfo } from '../engine/frontend.ts';
import { callText } from '../kernel/calls.ts';
import { flatten } from '../observe/flatten.ts';
import type { Entry } from './read.ts';
import { advance, type Said, type Seen, type Tape } from './tape.ts';

const MOST_HITS = 60;

/** Upper and lower case are the same. */
export function search(
  tape: Tape,
  text: string,
  cardOf: (id: string) => string,
): { hits: readonly Hit[]; more: number } {
  const wanted = text.toLowerCase();
  const infos = new Map(tape.header.steps.map((info) => [info.id, info]));
  const seen: Seen = new Map();
  const hits: Hit[] = [];
  let more = 0;
  let here = { step: tape.stops[0]?.step.id ?? tape.header.steps[0]?.id, number: 1 };
  for (const entry of tape.entries) {
    if (entry.k === 'step-begin') here = { step: entry.step, number: entry.number };
    const said = entry.k === 'look' ? advance(seen, entry) : wordsOf(entry, infos, cardOf);
    for (const [what, line] of said) {
      if (here.step === undefined || !line.toLowerCase().includes(wanted)) continue;
      if (hits.length < MOST_HITS) hits.push({ step: here.step, number: here.number, what, text: line });
      else more += 1;
    }
  }
  return { hits, more };
}

function wordsOf(entry: Entry, infos: ReadonlyMap<string, StepInfo>, cardOf: (id: string) => string): Said[] {
  switch (entry.k) {
    case 'step-begin': {
      const info = infos.get(entry.step);
      const facts = info === undefined ? [] : [info.id, info.title, info.then, info.now];
      return [...facts, ...cardOf(entry.step).split('\n')].map((line): Said => ['card', line.trim()]);
    }
    case 'planned':
      return entry.undo.map((each): Said => ['undo', compensationText(each)]);
    case 'step-end':
      return [
        ...entry.calls.map((each): Said => ['call', callText(each)]),
        ...entry.notes.map((note): Said => ['note', note]),
        ...pairs('value', flatten(entry.given, { showEnv: true })),
      ];
    case 'step-failed':
      return [...entry.calls.map((each): Said => ['call', callText(each)]), ['failure', entry.error.message]];
    case 'output':
      return entry.text.split('\n').map((line): Said => [entry.stream, line]);
    case 'warning':
      return [['warning', entry.text]];
    case 'undone':
      return entry.undone.error === '' ? [] : [['undo', entry.undone.error]];
    default:
      return [];
  }
}

function pairs(what: string, lines: Readonly<Record<string, string>>): Said[] {
  return Object.entries(lines).map(([key, value]): Said => [what, `${key}  ${value}`]);
}
