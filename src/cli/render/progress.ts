/**
 * How far a long step is: a line for each bar at the end of what was written, drawn over again, and taken away before
 * anything else is written. Only on a terminal: in a file or a pipe the same line a thousand times helps nobody.
 */
import type { Bar } from '../../engine/frontend.ts';
import { styleOf, type Screen, type Style } from './style.ts';
import { cutTo, padTo, shown, widthOf } from './text.ts';
import { bytesText } from './units.ts';

export interface ProgressArea {
  show(bars: readonly Bar[]): void;
  clear(): void;
}

/** Often enough to look alive; a terminal over a slow line shall not become what is waited for. */
const EVERY_MS = 100;
/** More layers than this are counted instead of shown. */
const MOST_BARS = 12;
const LABEL = 20;
const NUMBERS = 21;
const SHORTEST = 5;

const UP_AND_CLEAR = '\u001b[A\u001b[2K';

/** Undefined where it would not be seen. */
export function progressOn(
  screen: Screen & { readonly rows?: number },
  write: (text: string) => void,
  env: NodeJS.ProcessEnv = process.env,
  clock: () => number = Date.now,
): ProgressArea | undefined {
  if (screen.isTTY !== true || env['TERM'] === 'dumb') return undefined;
  let drawn = 0;
  let last = -Infinity;
  const erase = (): string => `\r${UP_AND_CLEAR.repeat(drawn)}`;
  const clear = (): void => {
    if (drawn > 0) write(erase());
    drawn = 0;
    last = -Infinity;
  };
  return {
    show: (bars) => {
      if (bars.length === 0) {
        clear();
        return;
      }
      const time = clock();
      if (time - last < EVERY_MS) return;
      last = time;
      const rows = Math.max(1, Math.min(MOST_BARS, rowsOf(screen) - 2));
      const style = styleOf(screen, env);
      // A line that the terminal breaks would be two, and only one of them taken away.
      // A pseudo-terminal whose size nobody has set says 0.
      const columns = screen.columns === undefined || screen.columns === 0 ? style.width : screen.columns;
      const width = Math.min(style.width, columns - 1);
      const lines = barLines(bars, { width, paint: style.paint }, rows);
      write(`${erase()}${lines.map((line) => `${line}\n`).join('')}`);
      drawn = lines.length;
    },
    clear,
  };
}

/** A terminal that nobody has told its size says 0. */
function rowsOf({ rows = 0 }: { readonly rows?: number }): number {
  return rows === 0 ? 24 : rows;
}

/** Those that are on their way come first: with fifty layers they are what is looked for. */
export function barLines(bars: readonly Bar[], style: Style, most = MOST_BARS): string[] {
  const isMoving = ({ state }: Bar): boolean => state === undefined;
  const chosen =
    bars.length <= most
      ? bars
      : [...bars.filter(isMoving), ...bars.filter((bar) => !isMoving(bar))].slice(0, Math.max(0, most - 1));
  const lines = chosen.map((bar) => barLine(bar, style));
  if (chosen.length === bars.length) return lines;
  return [...lines, style.paint.dim(`  +${(bars.length - chosen.length).toString()} more`)];
}

function barLine({ label, done, total, state }: Bar, { width, paint }: Style): string {
  const head = padTo(cutTo(shown(label), LABEL), LABEL);
  if (width < LABEL + NUMBERS) return cutTo(`  ${shown(label)}`, width);
  if (state !== undefined) return `  ${head}  ${paint.dim(cutTo(shown(state), width - LABEL - 4))}`;
  if (total <= 0) return `  ${head}  ${bytesText(done)}`;
  const numbers = `${bytesText(Math.min(done, total))} of ${bytesText(total)}`;
  const room = width - LABEL - NUMBERS - 6;
  if (room < SHORTEST) return cutTo(`  ${head}  ${numbers}`, width);
  const filled = Math.max(0, Math.min(room, Math.round((room * done) / total)));
  const bar = paint.cyan('━'.repeat(filled)) + paint.dim('─'.repeat(room - filled));
  return `  ${head}  ${bar}  ${' '.repeat(Math.max(0, NUMBERS - widthOf(numbers)))}${numbers}`;
}
