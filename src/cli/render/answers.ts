/** What the stepper's questions are answered with: the list of steps, values, looks, changes, calls. */
import type { EngineEvent, StepInfo } from '../../engine/frontend.ts';
import { flatten } from '../../observe/flatten.ts';
import type { Observation } from '../../observe/names.ts';
import { callLines, diffLines } from './outcome.ts';
import type { Style } from './style.ts';
import { cutTo, labelled, padTo, shown, widthOf } from './text.ts';

type Of<E extends EngineEvent['event']> = Extract<EngineEvent, { event: E }>;

/** All steps, stage by stage; what is behind the run is dim, where it stands is marked. */
export function stepList({ steps, at, when }: Of<'list'>, style: Style): string {
  const { paint, width } = style;
  const here = steps.findIndex(({ id }) => id === at);
  return steps
    .map(({ id, title, actor }: StepInfo, index) => {
      const done = index < here || (index === here && when === 'after');
      const mark = index === here ? '▶' : done ? '✓' : ' ';
      const text = `${mark} ${(index + 1).toString().padStart(2)}  ${padTo(id, 26)} ${actor === 'dockerinit' ? '◆' : ' '} ${title}`;
      const line = cutTo(text, width);
      return index === here ? paint.bold.cyan(line) : done ? paint.dim(line) : line;
    })
    .concat(paint.dim('◆ dockerinit acts'))
    .join('\n');
}

const MOST_LABEL = 34;

/** Names in one column, texts beside them. */
function pairs(lines: Readonly<Record<string, string>>, style: Style): string[] {
  const entries = Object.entries(lines).map(([key, value]): [string, string] => [shown(key), shown(value)]);
  const column = Math.min(MOST_LABEL, Math.max(0, ...entries.map(([key]) => widthOf(key)))) + 2;
  return entries.flatMap(([key, value]) => {
    if (value === '') return [`  ${style.paint.dim(key)}`];
    if (widthOf(key) < column) {
      return labelled(key, value, 2, column, style.width).map((line, i) =>
        i === 0 ? `  ${style.paint.dim(padTo(key, column))}${line.slice(2 + column)}` : line,
      );
    }
    return [`  ${style.paint.dim(key)}`, ...labelled('', value, 2, column, style.width)];
  });
}

export function valuesText(
  values: Readonly<Record<string, unknown>>,
  showEnv: boolean,
  style: Style,
): string {
  const lines = Object.entries(values).flatMap(([name, value]) =>
    pairs(flatten({ [name]: value }, { showEnv, most: 40 }), style),
  );
  return [style.paint.bold('values'), ...lines].join('\n');
}

export function observationText({ observer, lines }: Observation, style: Style): string {
  const all = pairs(lines, style);
  return [style.paint.bold(observer), ...(all.length === 0 ? ['  nothing to be seen yet'] : all)].join('\n');
}

export function diffText({ step, changes }: Of<'diff'>, style: Style): string {
  const lines = diffLines(changes, style);
  const nothing = '    nothing that the observers of this step can see';
  return [`changed by ${style.paint.cyan(step)}`, ...(lines.length === 0 ? [nothing] : lines)].join('\n');
}

export function callsText({ step, calls, more }: Of<'calls'>, style: Style): string {
  const lines = callLines(calls, more, style);
  return [`asked by ${style.paint.cyan(step)}`, ...(lines.length === 0 ? ['    nothing'] : lines)].join('\n');
}

/** Where a recording has it; `goto` with the number leads there. */
export function foundText({ text, hits, more }: Of<'found'>, style: Style): string {
  const { paint, width } = style;
  if (hits.length === 0) return `nothing has ${JSON.stringify(shown(text))}`;
  const lines = hits.map((hit) => {
    const place = `${hit.number.toString().padStart(4)}  ${padTo(hit.step, 26)}  ${padTo(hit.what, 10)} `;
    const room = Math.max(20, width - widthOf(place));
    return `${paint.dim(place)}${around(shown(hit.text), text, room)}`;
  });
  return [...lines, ...(more > 0 ? [paint.dim(`      +${more.toString()} more`)] : [])].join('\n');
}

/** A piece of a line, not wider than `width`, that has what was looked for. */
function around(line: string, wanted: string, width: number): string {
  const at = line.toLowerCase().indexOf(wanted.toLowerCase());
  const from = at + wanted.length < width ? 0 : Math.max(0, at - Math.floor(width / 3));
  return cutTo(from === 0 ? line : `…${line.slice(from)}`, width);
}
