/** What stands after a step: how long it took, what the kernel was asked, what is different now; and the lines of undo. */
import type { EngineEvent, Undone } from '../../engine/frontend.ts';
import { compensationText } from '../../engine/compensation.ts';
import { callText, type Call } from '../../kernel/calls.ts';
import { flatten } from '../../observe/flatten.ts';
import type { Change } from '../../observe/names.ts';
import type { Style } from './style.ts';
import { clean, cutTo, padTo, shown, widthOf, wrap } from './text.ts';
import { durationText } from './units.ts';

type StepEnd = Extract<EngineEvent, { event: 'step-end' }>;
type Output = Extract<EngineEvent, { event: 'output' }>;
type StepFailed = Extract<EngineEvent, { event: 'step-failed' }>;

/** How much of a step's outcome is drawn unasked. */
const FEW_CALLS = 4;
const FEW_CHANGES = 12;
const FEW_VALUES = 4;

const TIME = 9;
const time = (ns: number): string => durationText(ns).padStart(TIME);
const count = (n: number, one: string): string => `${n} ${one}${n === 1 ? '' : 's'}`;

/** Cuts the text, right-aligns the time. */
function timed(indent: number, text: string, ns: number, { width, paint }: Style): string {
  const room = width - indent - TIME - 2;
  return `${' '.repeat(indent)}${padTo(cutTo(text, room), room)}  ${paint.dim(time(ns))}`;
}

export function stepOutcome(end: StepEnd, showEnv: boolean, style: Style): string {
  const { paint } = style;
  const calls = end.calls.length + end.more;
  const head = `  ${paint.green('✓')} ${durationText(end.end - end.start)}, ${calls === 0 ? 'nothing asked of the kernel' : count(calls, 'kernel call')}`;
  return [
    head,
    ...end.notes.flatMap((note) =>
      wrap(shown(note), style.width - 6).map((line, i) => `    ${i === 0 ? paint.dim('·') : ' '} ${line}`),
    ),
    ...callLines(end.calls, end.more, style, FEW_CALLS),
    ...givenLines(end, showEnv, style),
    ...diffLines(end.changes, style, FEW_CHANGES),
  ].join('\n');
}

/** A step that was passed: one line. */
export function stepLine(end: StepEnd, style: Style): string {
  return timed(
    0,
    `${style.paint.green('✓')} ${style.paint.dim(`[${end.number}/${end.of}]`)} ${end.step}`,
    end.end - end.start,
    widened(style),
  );
}

/** Colour codes have no width, but are counted: only plain text is measured, so a line of one colour gets the room back. */
function widened(style: Style): Style {
  const extra = widthOf(style.paint.green('x') + style.paint.dim('x')) - 2;
  return { width: style.width + extra, paint: style.paint };
}

export function stepFailed({ step, error, calls, start, end }: StepFailed, style: Style): string {
  const { paint } = style;
  const head = `  ${paint.red.bold('✗')} ${step} failed after ${durationText(end - start)}`;
  const why = wrap(shown(error.message), style.width - 4).map((line) => `    ${line}`);
  return [
    head,
    ...why,
    ...callLines(calls.slice(-FEW_CALLS), Math.max(0, calls.length - FEW_CALLS), style, FEW_CALLS),
  ].join('\n');
}

/** Calls as strace would show them; `most` limits their number, and then each to one line. */
export function callLines(calls: readonly Call[], unseen: number, style: Style, most = Infinity): string[] {
  const lines = calls.slice(0, most).flatMap((call) => {
    const text = shown(callText(call));
    if (most !== Infinity) return [timed(4, text, call.ns, style)];
    const [first = '', ...rest] = wrap(text, style.width - 4 - TIME - 2);
    return [timed(4, first, call.ns, style), ...rest.map((line) => `      ${line}`)];
  });
  const hidden = Math.max(0, calls.length - most) + unseen;
  if (hidden > 0)
    lines.push(style.paint.dim(`    +${hidden} more${calls.length > most ? ', `calls` shows them' : ''}`));
  return lines;
}

/** Says so little that it is left for `dump values`. */
const EMPTY = new Set(['', '0', 'false', 'null', '[]', '{}']);

/** What the step gave to later ones, as far as it says something that the notes have not said. */
function givenLines({ given, notes }: StepEnd, showEnv: boolean, style: Style): string[] {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const facts = notesOf(value);
    if (facts === undefined) plain[name] = value;
    else Object.assign(plain, facts);
  }
  const all = Object.entries(flatten(plain, { showEnv })).filter(
    ([key, value]) => !notes.includes(`${key}: ${value}`),
  );
  const telling = all.filter(([, value]) => !EMPTY.has(value)).slice(0, FEW_VALUES);
  const drawn = telling.map(
    ([key, value]) =>
      `    ${style.paint.dim('=')} ${cutTo(`${shown(key)}  ${shown(value)}`, style.width - 6)}`,
  );
  if (all.length > telling.length && telling.length > 0)
    drawn.push(style.paint.dim(`    +${all.length - telling.length} more, \`dump values\` shows them`));
  return drawn;
}

function notesOf(value: unknown): object | undefined {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'notes') return undefined;
  const { notes } = value as { notes: unknown };
  return typeof notes === 'object' && notes !== null ? notes : undefined;
}

/** `+` came, `~` changed, `-` went, under the observer that saw it. */
export function diffLines(changes: readonly Change[], style: Style, most = Infinity): string[] {
  const lines: string[] = [];
  let observer = '';
  for (const change of changes.slice(0, most)) {
    if (change.observer !== observer) lines.push(`    ${style.paint.bold(change.observer)}`);
    observer = change.observer;
    lines.push(...changeLines(change, style, most === Infinity));
  }
  if (changes.length > most)
    lines.push(style.paint.dim(`    +${changes.length - most} more, \`diff\` shows them`));
  return lines;
}

function changeLines({ key, before, after, theirs }: Change, style: Style, whole: boolean): string[] {
  const { paint, width } = style;
  // In words first: colours may be off, and the end of a line may be cut.
  const name = theirs === true ? `not ours: ${shown(key)}` : shown(key);
  const [old, fresh] = [before, after].map((text) => (text === undefined ? undefined : shown(text)));
  const put = (mark: string, label: string, text: string, colour: (text: string) => string): string[] => {
    const lines = beside(label, text, width - 8, whole);
    const drawn = theirs === true ? paint.dim : colour;
    return lines.map((line, index) => `      ${index === 0 ? drawn(mark) : ' '} ${drawn(line)}`);
  };
  if (old === undefined) return put('+', name, fresh ?? '', paint.green);
  if (fresh === undefined) return put('-', name, old, paint.red);
  if (widthOf(`${name}  ${old} → ${fresh}`) <= width - 8)
    return put('~', name, `${old} → ${fresh}`, paint.yellow);
  return [
    ...put('~', name, '', paint.yellow),
    ...put(' ', 'was', old, paint.yellow),
    ...put(' ', 'is ', fresh, paint.yellow),
  ];
}

/** `label  text`, cut to a line, or whole over as many as it takes. */
function beside(label: string, text: string, width: number, whole: boolean): string[] {
  const line = `${label}  ${text}`.trimEnd();
  if (!whole || widthOf(line) <= width) return [cutTo(line, width)];
  const room = width - widthOf(label) - 2;
  if (room < width / 2) return [...wrap(label, width), ...wrap(text, width - 2).map((each) => `  ${each}`)];
  return wrap(text, room).map(
    (each, index) => `${index === 0 ? label : ' '.repeat(widthOf(label))}  ${each}`,
  );
}

/** What the program wrote, as a recording has it: beside a line, and never as it was. */
export function outputLines({ stream, text, cut }: Output, style: Style): string {
  const { paint } = style;
  const bar = stream === 'stdout' ? paint.dim('  │ ') : paint.red('  ┃ ');
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  return [
    ...lines.map((line) => bar + clean(line)),
    ...(cut ? [paint.dim('    it wrote more than is recorded')] : []),
  ].join('\n');
}

const REASONS = {
  failure: 'the run failed',
  exit: 'the container has ended',
  over: 'the run is over',
  quit: 'you asked for the end',
  recover: 'its ts-dock is dead',
  rm: 'it is removed',
} as const;

export function undoHead(why: keyof typeof REASONS, steps: number, style: Style): string {
  return `${style.paint.bold('undo')}  ${count(steps, 'thing')}, last first: ${REASONS[why]}`;
}

export function undoLine({ compensation, ok, error, ns }: Undone, style: Style): string {
  const line = timed(2, `undo  ${shown(compensationText(compensation))}`, ns, style);
  return ok ? line : `${line}\n    ${style.paint.red(`✗ ${cutTo(shown(error), style.width - 6)}`)}`;
}
