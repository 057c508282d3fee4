/**
 * `--trace`: the tree of stages and steps with their times, drawn after the run. Bars show how long, not when: the wait for
 * the program would press all else into one column, and a pause at a prompt is nobody's time.
 */
import type { EngineEvent, StepInfo, Undone } from '../../engine/frontend.ts';
import { compensationText } from '../../engine/compensation.ts';
import { now } from '../../kernel/calls.ts';
import type { Style } from './style.ts';
import { cutTo, padTo, shown } from './text.ts';
import { durationText } from './units.ts';

interface Row {
  readonly depth: 0 | 1;
  readonly name: string;
  readonly ns: number;
  readonly kind: 'group' | 'daemon' | 'dockerinit' | 'waiting' | 'failed';
}

const LABEL = 38;
const TIME = 9;
const BLOCKS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Their time is the program's. */
const WAITS = new Set(['exit.wait', 'stop.wait']);

/** dockerinit's steps happen within `launch`: its last steps are the daemon's waiting for them. */
const groupOf = (step: string): string =>
  step.startsWith('init.') ? 'launch' : step.slice(0, step.indexOf('.'));

export class TraceTree {
  private run = '';
  private traceId = '';
  private begun = 0;
  private ended = 0;
  private infos: readonly StepInfo[] = [];
  private readonly steps: { readonly group: string; readonly row: Row }[] = [];
  private readonly undone: Undone[] = [];

  on(event: EngineEvent): void {
    switch (event.event) {
      case 'begin':
        [this.run, this.traceId, this.infos, this.begun] = [event.run, event.traceId, event.steps, now()];
        return;
      case 'step-end':
      case 'step-failed':
        this.steps.push({
          group: groupOf(event.step),
          row: this.rowOf(event.step, event.end - event.start, event.event === 'step-failed'),
        });
        return;
      case 'undone':
        this.undone.push(event.undone);
        return;
      case 'end':
        this.ended = now();
        return;
      default:
        return;
    }
  }

  render(style: Style): string {
    const { paint } = style;
    const rows = [...this.groups(), ...this.undoing()];
    const longest = Math.max(
      1,
      ...this.steps.filter(({ row }) => row.kind !== 'waiting').map(({ row }) => row.ns),
    );
    const inSteps = this.steps.reduce((sum, { row }) => sum + row.ns, 0);
    return [
      `${paint.bold(`run ${this.run}`)}  ${durationText(this.ended - this.begun)} in all, ${durationText(inSteps)} in steps`,
      ...rows.map((row, index) => draw(row, isLast(rows, index), longest, style)),
      paint.dim(`◆ in dockerinit, by its own clock · trace ${this.traceId}`),
    ].join('\n');
  }

  private rowOf(step: string, ns: number, failed: boolean): Row {
    const actor = this.infos.find(({ id }) => id === step)?.actor ?? 'daemon';
    const name = step.startsWith('init.') ? step : step.slice(step.indexOf('.') + 1);
    return { depth: 1, name, ns, kind: failed ? 'failed' : WAITS.has(step) ? 'waiting' : actor };
  }

  private groups(): Row[] {
    const names = [...new Set(this.steps.map(({ group }) => group))];
    return names.flatMap((name) =>
      group(
        name,
        this.steps.filter((step) => step.group === name).map(({ row }) => row),
      ),
    );
  }

  private undoing(): Row[] {
    const rows = this.undone.map(({ compensation, ok, ns }): Row => ({
      depth: 1,
      name: shown(compensationText(compensation)),
      ns,
      kind: ok ? 'daemon' : 'failed',
    }));
    return rows.length === 0 ? [] : group('undo', rows);
  }
}

function group(name: string, rows: readonly Row[]): Row[] {
  return [{ depth: 0, name, ns: rows.reduce((sum, { ns }) => sum + ns, 0), kind: 'group' }, ...rows];
}

/** No row of this depth follows within the same parent. */
function isLast(rows: readonly Row[], index: number): boolean {
  const depth = rows[index]?.depth ?? 0;
  for (const next of rows.slice(index + 1)) {
    if (next.depth === depth) return false;
    if (next.depth < depth) return true;
  }
  return true;
}

function draw(row: Row, last: boolean, longest: number, style: Style): string {
  const { paint, width } = style;
  if (row.depth === 0) return `${paint.bold(padTo(row.name, LABEL))}${durationText(row.ns).padStart(TIME)}`;
  const mark = row.kind === 'dockerinit' ? '◆ ' : row.kind === 'failed' ? '✗ ' : '';
  const branch = last ? '└─ ' : '├─ ';
  const label = padTo(cutTo(`${mark}${row.name}`, LABEL - 4), LABEL - 3);
  const colour = row.kind === 'failed' ? paint.red : row.kind === 'dockerinit' ? paint.magenta : paint.cyan;
  const bar =
    row.kind === 'waiting'
      ? paint.dim('the program ran')
      : colour(barOf(Math.min(1, row.ns / longest), width - LABEL - TIME - 2));
  return `${paint.dim(branch)}${row.kind === 'failed' ? paint.red(label) : label}${durationText(row.ns).padStart(TIME)}  ${bar}`;
}

/** In eighths of a column; what happened at all has at least one. */
function barOf(share: number, columns: number): string {
  const eighths = Math.max(1, Math.round(share * columns * 8));
  return '█'.repeat(Math.floor(eighths / 8)) + (BLOCKS[eighths % 8] ?? '');
}
