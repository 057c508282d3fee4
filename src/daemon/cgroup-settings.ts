/** What both kinds of cgroups have in common: a limit is a value for a file, and somebody asked for it. */
import { TsDockError } from '../engine/failure.ts';
import { KernelError } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** One value to be written, and who asked for it. */
export interface Setting {
  /** The command line's option; empty: nobody asked, ts-dock sets it of its own accord. */
  readonly option: string;
  /** Key of the group's directory: a v1 controller, or `unified`. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

export interface Settings {
  readonly settings: readonly Setting[];
  /** Sentences for the card. */
  readonly notes: readonly string[];
}

/** What was asked for and does not hold: the option, the file, the value, and why. */
export function limitError(
  { option, value }: Setting,
  file: string,
  why: string,
  cause?: unknown,
  means = 'A limit that was asked for and does not hold would be worse than none, so the container is not started.',
): TsDockError {
  const what = option === '' ? 'what ts-dock sets for every container' : option;
  return new TsDockError('limit', `${what} cannot be set: ${JSON.stringify(value)} to ${file}: ${why}`, {
    means,
    remedy:
      'Ask for less or leave it out; `ts-dock explain launch.cgroups` says which files each option needs.',
    cause,
  });
}

/** `254:0` of a block device; `option` for the error. */
export function deviceNumber(sys: Kernel, option: string, device: string): string {
  const setting = { option, controller: '', file: device, value: device };
  let stat;
  try {
    stat = sys.stat(device);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw limitError(setting, device, 'there is no such device', error);
  }
  if (!stat.isBlockDevice()) throw limitError(setting, device, 'it is not a block device');
  // As the C library packs the two numbers into one.
  const major = Math.floor(stat.rdev / 256) % 4096;
  const minor = (stat.rdev % 256) + Math.floor(stat.rdev / 2 ** 20) * 256;
  return `${major}:${minor}`;
}
