/** What was asked of the kernel: the record that a card shows, and the error of a call that was refused. */
import { errnoMeaning, errnoName } from './errno.ts';

/** One call. Times are CLOCK_MONOTONIC, in nanoseconds. */
export interface Call {
  readonly call: string;
  /** Arguments as a learner would write them: quoted strings, flag names. */
  readonly args: readonly string[];
  /** The result in words: a number, `0`, or a short text; empty when the call failed. */
  readonly result: string;
  /** `ENOENT` when the call failed, else empty. */
  readonly errno: string;
  readonly at: number;
  readonly ns: number;
}

/** `mount("proc", "/proc", …) = 0` as strace would show it. */
export function callText(call: Call): string {
  const outcome = call.errno === '' ? resultText(call) : `-1 ${call.errno}`;
  return `${call.call}(${call.args.join(', ')}) = ${outcome}`;
}

/** The mask that was before is a number like any other, but nobody reads masks in decimal. */
function resultText({ call, result }: Call): string {
  return call === 'umask' && /^\d+$/.test(result) ? Number(result).toString(8).padStart(3, '0') : result;
}

/** The kernel refused a call. The message has call, arguments and errno; the step is added by the engine. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  readonly call: string;
  readonly args: readonly string[];
  /** Name of the errno, e.g. `EPERM`. */
  readonly code: string;

  constructor(call: string, args: readonly string[], errno: number | string) {
    const code = typeof errno === 'string' ? errno : errnoName(errno);
    const meaning = errnoMeaning(code);
    super(`${call}(${args.join(', ')}): ${code}${meaning === '' ? '' : ` (${meaning})`}`);
    this.call = call;
    this.args = args;
    this.code = code;
  }
}

/** Whether `error` is a refusal by the kernel with one of these errno names. */
export function refusedWith(error: unknown, ...codes: readonly string[]): error is KernelError {
  return error instanceof KernelError && codes.includes(error.code);
}

/** Now, CLOCK_MONOTONIC in nanoseconds: the clock that dockerinit's frames use as well. */
export function now(): number {
  return Number(process.hrtime.bigint());
}
