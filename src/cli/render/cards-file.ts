/** The Markdown cards, collected into `dist/cards.json` by the bundle and loaded when the first one is asked for. */
import { join } from 'node:path';
import { Kernel } from '../../kernel/kernel.ts';

type Cards = Readonly<Record<string, string>>;

let cards: Cards | undefined;

/** The card of a step or a stage; empty where there is none. */
export function cardOf(id: string): string {
  cards ??= load();
  // A recording may name a stage `constructor`.
  return Object.hasOwn(cards, id) ? (cards[id] ?? '') : '';
}

function load(): Cards {
  // A kernel port of our own, so that no step's record shows these reads.
  const sys = new Kernel();
  const bundled = sys.readIfThere(join(import.meta.dirname, 'cards.json'));
  if (bundled !== undefined) return JSON.parse(bundled) as Cards;
  return fromSources(sys, join(import.meta.dirname, '../../steps'));
}

/** Not bundled: the cards lie beside the steps. */
function fromSources(sys: Kernel, folder: string): Cards {
  const found: Record<string, string> = {};
  if (!sys.exists(folder)) return found;
  for (const name of sys.readdirPath(folder)) {
    const stage = /^\d+-([a-z0-9-]+)$/.exec(name)?.[1];
    if (stage === undefined) continue;
    for (const file of sys.readdirPath(join(folder, name))) {
      const step = /^(?:\d{3}-)?([a-z0-9-]+)\.md$/.exec(file)?.[1];
      if (step !== undefined)
        found[step === 'stage' ? stage : `${stage}.${step}`] = sys.readFile(join(folder, name, file));
    }
  }
  return found;
}
