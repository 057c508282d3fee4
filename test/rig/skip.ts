/**
 * The only way to skip a test: with a reason that the end of the run shows. In CI a reason that the set-up could have
 * removed is a failure, and so is a skipped test in a file that gave no reason (see `reporter.ts`).
 */
import { accessSync, appendFileSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect } from 'vitest';

/** A reason to skip, as it is written to the file named by TS_DOCK_SKIPS. */
export interface Skip {
  readonly file: string;
  readonly reason: string;
}

/**
 * For `test.skipIf(...)` and `describe.skipIf(...)`: true when the thing is not available.
 *
 * `set-up` is what `npm run setup -- --with-tests` provides; `machine` is what nobody can add to this machine (root, a
 * kernel feature, an architecture).
 */
export function skipUnless(
  reason: string,
  available: boolean,
  provider: 'set-up' | 'machine' = 'set-up',
): boolean {
  if (available) return false;
  if (provider === 'set-up' && process.env['CI'] !== undefined) {
    throw new Error(`skipped in CI although the set-up should have provided it: ${reason}`);
  }
  const record = process.env['TS_DOCK_SKIPS'];
  const skip: Skip = { file: expect.getState().testPath ?? '', reason };
  if (record !== undefined) appendFileSync(record, `${JSON.stringify(skip)}\n`);
  return true;
}

/** `describe.skipIf(skipUnlessRoot())`. */
export function skipUnlessRoot(): boolean {
  return skipUnless('not root: containers cannot be run', process.getuid?.() === 0, 'machine');
}

/** `describe.skipIf(skipUnlessProgram('strace'))`. */
export function skipUnlessProgram(name: string): boolean {
  return skipUnless(`there is no ${name}`, findProgram(name) !== undefined);
}

/** The path of a program, looked for in sbin too. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
