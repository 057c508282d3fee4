/** What `explain` shows: a step's facts and its whole card, or a stage's. */
import type { StepInfo } from '../../engine/frontend.ts';
import { renderMarkdown } from './markdown.ts';
import type { Style } from './style.ts';
import { labelled } from './text.ts';

const LABEL = 8;

export function explanation(id: string, info: StepInfo | undefined, card: string, style: Style): string {
  const { paint } = style;
  const head =
    info === undefined
      ? [paint.bold(`stage ${id}`)]
      : [
          `${paint.bold(info.title)}  ${paint.cyan(info.id)}`,
          ...facts(info).flatMap(([name, text]) => row(name, text, style)),
        ];
  const body = renderMarkdown(card, style);
  return [...head, '', ...(body.length === 0 ? ['  There is no card yet.'] : body)].join('\n');
}

function facts({ actor, then, now, needs, gives, observe }: StepInfo): [string, string][] {
  const list = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '));
  return [
    ['who', actor],
    ['takes', list(needs)],
    ['gives', list(gives)],
    ['then', then === '' ? 'nothing like it in Docker 1.2.0' : `Docker 1.2.0: ${then}`],
    ['now', now],
    ['seen by', list(observe)],
  ];
}

function row(name: string, text: string, { paint, width }: Style): string[] {
  return labelled(name, text, 2, LABEL, width).map((line, index) =>
    index === 0 ? `  ${paint.dim(line.slice(2, 2 + LABEL))}${line.slice(2 + LABEL)}` : line,
  );
}
