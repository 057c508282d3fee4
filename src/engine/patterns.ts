/** One spelling everywhere for a place in a run: `STEP`, `STEP:before`, `STEP:after`, `start.*`. Used by breakpoints and failpoints. */
import { TsDockError } from './failure.ts';
import type { StepId } from './step.ts';

export type When = 'before' | 'after';

export interface Pattern {
  readonly text: string;
  readonly when: When;
  matches(step: StepId): boolean;
}

/** Checks a pattern against the steps that there are; an unknown one is refused with the nearest names. */
export function parsePattern(text: string, ids: readonly StepId[]): Pattern {
  const [, name = '', when = ''] = /^(.*?)(?::(before|after))?$/.exec(text) ?? [];
  const expression = new RegExp(
    `^${name
      .split('*')
      .map((part) => part.replace(/[.\\+?^${}()|[\]]/g, '\\$&'))
      .join('.*')}$`,
  );
  const matches = (step: StepId): boolean => expression.test(step);
  if (name === '' || !ids.some(matches)) throw unknownStep(text, name, ids);
  return { text, when: when === 'after' ? 'after' : 'before', matches };
}

export function unknownStep(text: string, name: string, ids: readonly string[]): TsDockError {
  const near = nearest(name, ids);
  return new TsDockError('no-such-step', `there is no step ${JSON.stringify(text)}`, {
    means: `A step is spelled STAGE.NAME, also STAGE.*, with :before or :after behind it.`,
    remedy:
      near.length > 0
        ? `Did you mean ${near.join(', ')}? \`ts-dock steps\` lists them all.`
        : '`ts-dock steps` lists them all.',
  });
}

/** At most three names that `text` may have meant, best first. */
export function nearest(text: string, names: readonly string[]): string[] {
  const short = (name: string): string => name.slice(name.indexOf('.') + 1);
  const scored = names.map((name) => ({
    name,
    score: Math.min(
      distance(text, name),
      distance(text, short(name)) + 0.5,
      name.includes(text) && text.length > 2 ? 1 : Infinity,
    ),
  }));
  return scored
    .filter(({ score }) => score <= Math.max(2, text.length / 3))
    .sort((a, b) => a.score - b.score)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
