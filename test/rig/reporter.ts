/**
 * Counts for the last line of `npm test`, written to the file named by TS_DOCK_COUNTS; `scripts/test.mjs` prints them.
 * What fails outside of a test (a file that does not load, a hook, an unhandled rejection) counts as a failure.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import type { Skip } from './skip.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skips: readonly Skip[];
  /** Files with a skipped test and no reason; failures in CI. */
  readonly unexplained: readonly string[];
}

function readSkips(): Skip[] {
  const record = process.env['TS_DOCK_SKIPS'];
  if (record === undefined || !existsSync(record)) return [];
  const lines = readFileSync(record, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Skip);
}

/** Errors of the file or of a describe block's hooks, that belong to no test. */
function errorsOutsideTests(module: TestModule): number {
  const suites = [...module.children.allSuites()];
  return module.errors().length + suites.reduce((sum, suite) => sum + suite.errors().length, 0);
}

export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const target = process.env['TS_DOCK_COUNTS'];
    if (target === undefined) return;
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    const skips = readSkips();
    const unexplained = new Set<string>();
    for (const module of modules) {
      const outside = errorsOutsideTests(module);
      counts.failed += outside;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // Pending is what never ran because its worker died.
        counts[state === 'pending' ? 'failed' : state] += 1;
        // A hook that fails takes its tests with it: the hook is what failed.
        const explained = outside > 0 || skips.some((skip) => skip.file === module.moduleId);
        if (state === 'skipped' && !explained) unexplained.add(module.relativeModuleId);
      }
    }
    writeFileSync(
      target,
      JSON.stringify({ ...counts, skips, unexplained: [...unexplained] } satisfies Counts),
    );
  }
}
