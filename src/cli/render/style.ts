/** How wide, and with which colours. Decided once per stream: NO_COLOR and FORCE_COLOR say, else whether it is a terminal. */
import type { ChalkInstance } from 'chalk';

export interface Style {
  /** Columns. */
  readonly width: number;
  readonly paint: ChalkInstance;
}

const NARROWEST = 60;
const WIDEST = 110;

type Level = 0 | 1 | 2 | 3;

/** What is known of a stream without asking it anything. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export function styleOf(screen: Screen, env: NodeJS.ProcessEnv = process.env): Style {
  const columns = screen.isTTY === true ? screen.columns : undefined;
  return plainStyle(Math.min(WIDEST, Math.max(NARROWEST, columns ?? 80)), levelOf(screen, env));
}

/** FORCE_COLOR is the more particular wish, so it wins over NO_COLOR, as in Node itself. */
function levelOf(
  { isTTY = false }: Screen,
  { NO_COLOR = '', FORCE_COLOR, TERM, COLORTERM }: NodeJS.ProcessEnv,
): Level {
  if (FORCE_COLOR === '0' || FORCE_COLOR === 'false') return 0;
  if (FORCE_COLOR === '2' || FORCE_COLOR === '3') return FORCE_COLOR === '2' ? 2 : 3;
  if (FORCE_COLOR !== undefined) return 1;
  if (NO_COLOR !== '' || !isTTY || TERM === 'dumb') return 0;
  if (COLORTERM === 'truecolor') return 3;
  return TERM?.includes('256') === true ? 2 : 1;
}

export function plainStyle(width = 80, level: Level = 0): Style {
  let paint: ChalkInstance | undefined;
  return {
    width,
    get paint() {
      return (paint ??= new (chalk().Chalk)({ level }));
    },
  };
}

/**
 * Loaded when the first thing is drawn: as an import it would cost every run 3.6 ms. The bundler reads this call of
 * `require` and makes a lazy module of it; outside of the bundle there is no `require`, but Node can load it all the same.
 */
function chalk(): typeof import('chalk') {
  if (typeof require === 'undefined') {
    const { createRequire } = process.getBuiltinModule('node:module');
    return createRequire(import.meta.filename)('chalk') as typeof import('chalk');
  }
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
  return require('chalk') as typeof import('chalk');
}
