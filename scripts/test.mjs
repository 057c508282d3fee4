/**
 * `npm test [-- vitest's arguments]`: builds, runs vitest, says what was skipped and why, and ends with the plain line
 * `N passed, N failed[, N skipped]`. Something that fails before the tests counts as one failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
/** Vitest marks what these leave out as skipped; that is the caller's wish and needs no reason. */
const narrowed = args.some((arg) => /^(-t|--testNamePattern|--bail)/.test(arg));

function end({ passed, failed, skipped }) {
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  process.stdout.write(`${line}\n`);
  process.exit(failed > 0 ? 1 : 0);
}

function run(command, ...commandArgs) {
  return spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit' });
}

function vitest(folder) {
  const counts = join(folder, 'counts.json');
  const done = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TS_DOCK_COUNTS: counts, TS_DOCK_SKIPS: join(folder, 'skips') },
  });
  if (!existsSync(counts)) return { passed: 0, failed: 1, skipped: 0, skips: [], unexplained: [] };
  const result = JSON.parse(readFileSync(counts, 'utf8'));
  // Vitest may know of a failure that is no test's: never say that nothing failed then.
  return done.status === 0 ? result : { ...result, failed: Math.max(result.failed, 1) };
}

function explainSkips({ skips, unexplained }) {
  const files = new Map();
  for (const { reason, file } of skips) files.set(reason, (files.get(reason) ?? new Set()).add(file));
  for (const [reason, where] of files)
    process.stdout.write(`Skipped, ${reason}: in ${where.size} file(s).\n`);
  if (narrowed || !process.env.CI) return 0;
  for (const file of unexplained)
    process.stdout.write(`Skipped without a reason, which CI forbids: ${file}\n`);
  return unexplained.length;
}

function main() {
  for (const script of ['build-native.mjs', 'bundle.mjs']) {
    if (run(process.execPath, join(import.meta.dirname, script)).status !== 0) {
      end({ passed: 0, failed: 1, skipped: 0 });
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-test-'));
  try {
    const result = vitest(folder);
    result.failed += explainSkips(result);
    rmSync(folder, { recursive: true, force: true });
    end(result);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main();
