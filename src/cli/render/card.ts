/** The cards that stand before a step and before a stage: where the run is, what comes, why, and what would undo it. */
import { compensationText, type Compensation } from '../../engine/compensation.ts';
import type { StepInfo } from '../../engine/frontend.ts';
import { inline, keepCode, renderBlocks, sectionsOf, sectionText, type Section } from './markdown.ts';
import type { Style } from './style.ts';
import { labelled, shown, widthOf } from './text.ts';

export interface StepCard {
  readonly info: StepInfo;
  readonly number: number;
  readonly of: number;
  /** Markdown. */
  readonly card: string;
  readonly undo: readonly Compensation[];
  /** What is known of the container, for commands to try: `PID` on the host, `ID`. */
  readonly known: Readonly<Record<string, string>>;
}

const INDENT = 2;
const LABEL = 10;

/** `── left ───────────── right ──`, as wide as the style. */
export function rule(
  left: string,
  right: string,
  { width, paint }: Style,
  colour: (text: string) => string,
): string {
  const line = (length: number): string => '─'.repeat(Math.max(2, length));
  const used = widthOf(left) + 4 + (right === '' ? 0 : widthOf(right) + 4);
  const tail = right === '' ? '' : ` ${paint.cyan(right)} ${paint.dim('──')}`;
  return `${paint.dim('──')} ${colour(left)} ${paint.dim(line(width - used))}${tail}`;
}

export function stepCard(step: StepCard, style: Style): string {
  const { paint } = style;
  const { info, number, of } = step;
  const sections = sectionsOf(step.card);
  const head = rule(
    `[${number}/${of}] ${info.stage} · ${info.actor} acts`,
    info.id,
    style,
    info.actor === 'dockerinit' ? paint.magenta.bold : paint.bold,
  );
  return [
    head,
    paint.bold(info.title),
    '',
    ...explanation(sections, style),
    ...facts(step, sections, style),
  ].join('\n');
}

function explanation(sections: readonly Section[], style: Style): string[] {
  const what =
    sections.find(({ heading }) => heading === '' || /^what happens$/i.test(heading)) ?? sections[0];
  return what === undefined ? [] : [...renderBlocks(what.blocks, style, INDENT), ''];
}

function facts({ info, undo, known }: StepCard, sections: readonly Section[], style: Style): string[] {
  const { paint, width } = style;
  const names = (list: readonly string[]): string => list.join(', ');
  const look = sectionText(sections, 'Look');
  const rows: readonly (readonly [string, string])[] = [
    ['why here', sectionText(sections, 'Why here')],
    ['without', sectionText(sections, 'Without it')],
    ['takes', names(info.needs)],
    ['gives', names(info.gives)],
    ['then', info.then === '' ? 'nothing like it in Docker 1.2.0' : `Docker 1.2.0: ${info.then}`],
    ['now', info.now],
    ['undo', undo.map((each) => shown(compensationText(each))).join('; ')],
    ['look', look.replace(/\$([A-Z]+)/g, (variable, name: string) => known[name] ?? variable)],
  ];
  return rows.flatMap(([label, text]) =>
    labelled(label, keepCode(text), INDENT, LABEL, width)
      .map((line, index) => (index === 0 ? paintLabel(line, paint) : line))
      .map((line) => inline(line, style)),
  );
}

function paintLabel(line: string, paint: Style['paint']): string {
  const end = INDENT + LABEL;
  return `${paint.dim(line.slice(0, end))}${line.slice(end)}`;
}

const STAGE_TITLES: Readonly<Record<string, string>> = {
  host: 'What all containers share on this host',
  create: 'From the name of an image to a container on disk',
  start: 'From a container on disk to a Command that can be launched',
  launch: 'From a Command to a child in namespaces of its own',
  init: 'The first process inside: dockerinit',
  exit: 'Waiting, and writing down how it ended',
};

export function stageCard(stage: string, card: string, style: Style): string {
  const { paint } = style;
  const sections = sectionsOf(card);
  const title = STAGE_TITLES[stage] ?? '';
  const why = sectionText(sections, 'Why here');
  const head = rule(`stage ${stage}`, '', style, paint.yellow.bold);
  const body = explanation(sections, style);
  const reason = why === '' ? [] : [...renderBlocks([{ is: 'paragraph', text: why }], style, INDENT), ''];
  return [head, paint.bold(title), '', ...body, ...reason].join('\n').trimEnd();
}
