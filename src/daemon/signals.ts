/** Signals by name and number, as `kill -s` and `--stop-signal` take them. */
import { constants } from 'node:os';

export const SIGKILL = 9;
export const SIGTERM = 15;

const HIGHEST = 64;
/** The C library keeps two of the kernel's real-time signals for itself. */
const RTMIN = 34;
const RTMAX = 64;

/** `TERM`, `SIGTERM`, `15`, `RTMIN+3`; undefined where it is none. */
export function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text) >= 1 && Number(text) <= HIGHEST ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, '');
  const [, from, sign, offset] = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (from !== undefined) {
    const number = (from === 'RTMIN' ? RTMIN : RTMAX) + Number(`${sign ?? '+'}${offset ?? '0'}`);
    return number >= RTMIN && number <= RTMAX ? number : undefined;
  }
  return (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
}

/** `SIGTERM`; a signal without a name is its number. */
export function signalName(number: number): string {
  if (number >= RTMIN) return number === RTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - RTMIN}`;
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found === undefined ? number.toString() : found[0];
}

/** What a container's process is asked to end with. A file that somebody edited must not keep it from being stopped. */
export function stopSignalOf(config: { readonly StopSignal: string }): number {
  return signalNumber(config.StopSignal) ?? SIGTERM;
}
