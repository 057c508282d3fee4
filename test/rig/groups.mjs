/**
 * Which test files need the host for themselves: those that compare the whole host before and after. It follows from what
 * they import, not from a name that one could forget.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths relative to the project's root, sorted. */
export function hostFiles(root) {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('test', file))
    .filter((file) =>
      /rig\/(sandbox|census)|\.\/(sandbox|census)/.test(readFileSync(join(root, file), 'utf8')),
    )
    .sort();
}
