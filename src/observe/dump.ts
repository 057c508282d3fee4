/** `--dump DIR`: one JSON file per step and side. Root's alone: a dump tells all about a container. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Observation } from './names.ts';

/** Made at the start, so that a place that cannot be written to is found out before anything was done. */
export function prepareDump(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.accessSync(folder, fs.constants.W_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TsDockError('bad-usage', `cannot write a dump to ${folder}: ${why}`, { cause });
  }
}

/** `012-start.mount-rootfs.before.json`; what stood there is replaced. */
export function writeDump(
  folder: string,
  number: number,
  step: string,
  when: 'before' | 'after',
  looks: readonly Observation[],
): void {
  const name = `${number.toString().padStart(3, '0')}-${step}.${when}.json`;
  const content = {
    step,
    when,
    ...Object.fromEntries(looks.map(({ observer, lines }) => [observer, lines])),
  };
  const path = join(folder, name);
  const fresh = `${path}.new`;
  fs.rmSync(fresh, { force: true });
  // wx: not through a link that somebody laid there.
  fs.writeFileSync(fresh, `${JSON.stringify(content, null, 1)}\n`, { mode: 0o600, flag: 'wx' });
  fs.renameSync(fresh, path);
}
