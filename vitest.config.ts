/**
 * Two groups, one after the other. A test that uses the sandbox compares the whole host before and after, so nothing else
 * may run beside it; membership follows from the import, not from a name that one could forget.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join('test', file));
const alone = files.filter((file) =>
  /rig\/(sandbox|census)|\.\/(sandbox|census)/.test(readFileSync(file, 'utf8')),
);

const shared = { pool: 'forks', globals: false, testTimeout: 60_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    ...shared,
    maxWorkers: 2,
    allowOnly: process.env['CI'] === undefined,
    reporters: ['default', './test/rig/reporter.ts'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'host',
          include: alone.length > 0 ? alone : ['test/none'],
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
