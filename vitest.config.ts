/**
 * Two groups, one after the other. A test that uses the sandbox compares the whole host before and after, so nothing else
 * may run beside it; membership follows from the import (test/rig/groups.mjs).
 */
import { defineConfig } from 'vitest/config';
import { hostFiles } from './test/rig/groups.mjs';

const alone = hostFiles('.');

const shared = {
  pool: 'forks',
  globals: false,
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

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
