/**
 * `trace show`: the time line of a run. First the whole run with its stages, then each stage on an axis of its own, since a
 * program that runs for a minute would press all else into one column. `launch` is drawn with dockerinit (◆) within it: two
 * services, the frames between them, and what each waited for.
 */
import type { Service, Span, SpanEvent, Trace } from '../../trace/model.ts';
import { waitsOf, type Wait } from '../../trace/waits.ts';
import type { Style } from './style.ts';
import { cutTo, padTo, shown } from './text.ts';
import { ago, durationText } from './units.ts';

const LABEL = 36;
const TIME = 9;
/** What is shorter than this share of its stage is not worth a line. */
const LEAST_SHARE = 50n;

interface Axis {
  readonly start: bigint;
  readonly end: bigint;
  readonly columns: number;
}

interface Row {
  readonly start: bigint;
  readonly end: bigint;
  readonly service: Service;
  readonly label: string;
  readonly kind: 'step' | 'wait' | 'failed';
}

export function timeLine(trace: Trace, style: Style): string {
  const [root] = trace.spans;
  if (root === undefined) return '';
  const columns = style.width - LABEL - TIME - 2;
  const stages = trace.spans.filter((span) => 'tsdock.stage' in span.attributes && span.name !== 'init');
  return [
    ...heading(trace, root, style),
    '',
    ...overview(trace, root, { start: root.start, end: root.end, columns }, style),
    ...stages.flatMap((stage) => ['', ...stageLines(trace, root, stage, columns, style)]),
    '',
    style.paint.dim('◆ dockerinit, by its own clock   ░ waiting   ▸ frames to it   ◂ frames from it'),
  ].join('\n');
}

function heading(trace: Trace, root: Span, { paint, width }: Style): string[] {
  const { container, containerName: name, over, exitCode, ids } = trace;
  const id = container?.slice(0, 12);
  const when = ago(new Date(Number(root.start / 1_000_000n)).toISOString());
  const end = !over ? 'not over' : `exit code ${(exitCode ?? 0).toString()}`;
  const what = [name === undefined ? id : `${shown(name)} (${id ?? ''})`, end, when].filter(
    (part) => part !== undefined,
  );
  return [
    cutTo(`${paint.bold(root.name)}  ${what.join(' · ')}`, width),
    paint.dim(`run ${trace.run}`),
    paint.dim(`trace ${ids.traceId}`),
    ...(root.error === undefined ? [] : [paint.red(cutTo(`✗ ${shown(root.error)}`, width))]),
  ];
}

function overview(trace: Trace, root: Span, axis: Axis, style: Style): string[] {
  const parts = trace.spans
    .filter((span) => 'tsdock.stage' in span.attributes || span.name === 'container process')
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const program = parts.find(({ name }) => name === 'container process');
  return [
    head('the whole run', root.end - root.start, style),
    ...parts.map((span) => drawn(rowOf(span, span.name), axis, style)),
    ...(program === undefined ? [] : programLines(program, style)),
  ];
}

/** What the kernel counted of the container's process. */
function programLines({ attributes }: Span, { paint }: Style): string[] {
  const cpu = attributes['tsdock.process.cpu_time_ns'];
  const peak = attributes['tsdock.process.memory_peak_bytes'];
  const said = [
    ...(typeof cpu === 'number' ? [`${durationText(cpu)} of CPU`] : []),
    ...(typeof peak === 'number' ? [`at most ${(peak / 2 ** 20).toFixed(1)} MiB of memory`] : []),
  ];
  return said.length === 0 ? [] : [paint.dim(`    its cgroup counted ${said.join(', ')}`)];
}

function stageLines(trace: Trace, root: Span, stage: Span, columns: number, style: Style): string[] {
  const axis = { start: stage.start, end: stage.end, columns };
  const within = ({ start }: { start: bigint }): boolean => start >= stage.start && start <= stage.end;
  const own = trace.spans.filter(
    (span) => span.parentId === stage.spanId && !('tsdock.stage' in span.attributes),
  );
  const init = stage.name === 'launch' ? initOf(trace) : undefined;
  const theirs = init === undefined ? [] : trace.spans.filter((span) => span.parentId === init.spanId);
  const least = (stage.end - stage.start) / LEAST_SHARE;
  const names = init === undefined ? [stage.name] : [stage.name, 'init'];
  const waits = waitsOf(trace).filter(
    (wait) => names.includes(wait.stage) && within(wait) && wait.end - wait.start >= least,
  );
  const rows = [
    ...own.map((span) => rowOf(span, shortName(span))),
    ...theirs.map((span) => rowOf(span, span.name)),
    ...waits.map(waitRow),
  ].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.kind === 'wait' ? 1 : -1));
  const title = init === undefined ? stage.name : `${stage.name} and ◆ dockerinit`;
  return [
    `${head(title, stage.end - stage.start, style)}  ${style.paint.dim(`from ${durationText(Number(stage.start - root.start))} on`)}`,
    ...rows.map((row) => drawn(row, axis, style)),
    ...(init === undefined ? [] : handshakeLines(stage, axis, style)),
    ...failures([...own, ...theirs], style),
  ];
}

const initOf = ({ spans }: Trace): Span | undefined => spans.find(({ name }) => name === 'init');

/** The stage stands above it. */
const shortName = ({ name, attributes }: Span): string =>
  'tsdock.undo.what' in attributes
    ? String(attributes['tsdock.undo.what'])
    : name.slice(name.indexOf('.') + 1);

function rowOf(span: Span, label: string): Row {
  const { start, end, service, error } = span;
  return { start, end, service, label, kind: error === undefined ? 'step' : 'failed' };
}

const waitRow = ({ start, end, service, why }: Wait): Row => ({
  start,
  end,
  service,
  label: why,
  kind: 'wait',
});

function head(title: string, ns: bigint, { paint }: Style): string {
  return `${paint.bold(padTo(title, LABEL))}${durationText(Number(ns)).padStart(TIME)}`;
}

function drawn(row: Row, axis: Axis, style: Style): string {
  const { paint } = style;
  const mark = row.kind === 'failed' ? '✗ ' : row.service === 'dockerinit' ? '◆ ' : '';
  const time = durationText(Number(row.end - row.start)).padStart(TIME);
  const line = (label: string): string => padTo(cutTo(shown(`${mark}${label}`), LABEL - 3), LABEL - 2);
  const [from, length] = place(row, axis);
  if (row.kind === 'wait')
    return paint.dim(`  ${line(row.label)}${time}  ${' '.repeat(from)}${'░'.repeat(length)}`);
  const colour =
    row.kind === 'failed' ? paint.red : row.service === 'dockerinit' ? paint.magenta : paint.cyan;
  const label = row.kind === 'failed' ? paint.red(line(row.label)) : line(row.label);
  return `  ${label}${time}  ${' '.repeat(from)}${colour('█'.repeat(length))}`;
}

/** First column and number of columns; what happened at all has one. */
function place({ start, end }: { start: bigint; end: bigint }, axis: Axis): [number, number] {
  const whole = Number(axis.end - axis.start) || 1;
  const at = (time: bigint): number => (Number(time - axis.start) / whole) * axis.columns;
  const from = Math.min(axis.columns - 1, Math.max(0, Math.floor(at(start))));
  const to = Math.min(axis.columns, Math.max(from + 1, Math.round(at(end))));
  return [from, to - from];
}

/** One line per direction, a mark where at least one frame passed. */
function handshakeLines({ events }: Span, axis: Axis, { paint }: Style): string[] {
  const frames = events.filter(({ attributes }) => 'tsdock.frame.type' in attributes);
  const sent = frames.filter(({ attributes }) => attributes['tsdock.frame.direction'] === 'sent');
  const received = frames.filter((frame) => !sent.includes(frame));
  const line = (label: string, of: readonly SpanEvent[], mark: string): string => {
    const marks = Array.from({ length: axis.columns }, () => ' ');
    for (const { time } of of) marks[place({ start: time, end: time }, axis)[0]] = mark;
    const count = of.length.toString().padStart(TIME);
    return paint.yellow(`  ${padTo(label, LABEL - 2)}${count}  ${marks.join('').trimEnd()}`);
  };
  const kinds = [...new Set(sent.map(({ attributes }) => String(attributes['tsdock.frame.type'])))];
  return [
    line(cutTo(`frames sent: ${shown(kinds.join(', '))}`, LABEL - 3), sent, '▸'),
    line('frames received', received, '◂'),
  ];
}

function failures(spans: readonly Span[], { paint, width }: Style): string[] {
  return spans
    .filter(({ error }) => error !== undefined)
    .map(({ name, error }) => paint.red(cutTo(`  ✗ ${name}: ${shown(error ?? '')}`, width)));
}
