/**
 * `npm test [-- vitest's arguments]`: builds, runs vitest, says what was skipped and why, and ends with the plain line
 * `N passed, N failed[, N skipped]`. Something that fails before the tests counts as one failure.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostFiles } from '../test/rig/groups.mjs';
import { inWorld, noWorlds } from './world.mjs';

const root = join(import.meta.dirname, '..');
const args = process.argv.slice(2);
/** Vitest marks what these leave out as skipped; that is the caller's wish and needs no reason. */
const narrowed = args.some((arg) => /^(-t|--testNamePattern|--bail)/.test(arg));

function end({ passed, failed, skipped }) {
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  // Not process.exit: what a slow reader has not taken yet would be lost, and this line with it.
  process.stdout.write(`${line}\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function run(command, ...commandArgs) {
  return spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit' });
}

/** Vitest once more, with a record of its own; what it counted. */
async function vitest(folder, part, more, start) {
  const counts = join(folder, `counts-${part}.json`);
  const status = await start(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...more],
    {
      cwd: root,
      env: { ...process.env, TS_DOCK_COUNTS: counts, TS_DOCK_SKIPS: join(folder, `skips-${part}`) },
    },
  );
  if (!existsSync(counts)) return { passed: 0, failed: 1, skipped: 0, skips: [], unexplained: [] };
  const result = JSON.parse(readFileSync(counts, 'utf8'));
  // Vitest may know of a failure that is no test's: never say that nothing failed then.
  return status === 0 ? result : { ...result, failed: Math.max(result.failed, 1) };
}

const here = (command, commandArgs, options) =>
  spawnSync(command, commandArgs, { ...options, stdio: 'inherit' }).status;

/** Output of what runs beside something else, in one piece when it is over. */
function beside(name) {
  return async (command, commandArgs, options) => {
    const log = openSync(join(options.folder, `${name}.log`), 'w+');
    const status = await inWorld(name, command, commandArgs, { ...options, stdio: ['ignore', log, log] });
    process.stdout.write(readFileSync(join(options.folder, `${name}.log`)));
    closeSync(log);
    return status;
  };
}

/** Seconds that a file takes; the others take few. Only for sharing them out: a wrong number costs time and nothing else. */
const SECONDS = {
  'v2/machine': 64,
  'integration/run': 60,
  'crash/walk': 55,
  'security/hostile-image': 52,
  'crash/detached': 32,
  'registry/pull': 23,
  'integration/layers': 22,
  'crash/supervised': 15,
  'replay/session': 15,
  'life/stop': 14,
  'exec/walk': 13,
  'cli/session': 10,
  'life/life': 10,
  'trace/export': 8,
  'detached/detached': 7,
  'life/limits': 7,
  'load/kinds': 7,
  'docs/readme': 7,
  'images/cp': 7,
  'detached/terminal': 6,
  'images/commands': 6,
};

function secondsOf(file) {
  const known = Object.entries(SECONDS).find(([name]) => file.endsWith(`${name}.test.ts`));
  return known?.[1] ?? 4;
}

/** The longest first, each to whoever has least. */
function share(files, parts) {
  const shares = Array.from({ length: parts }, () => ({ files: [], seconds: 0 }));
  for (const file of [...files].sort((one, other) => secondsOf(other) - secondsOf(one))) {
    const least = shares.reduce((best, each) => (each.seconds < best.seconds ? each : best));
    least.files.push(file);
    least.seconds += secondsOf(file);
  }
  return shares.map((each) => each.files);
}

function added(results) {
  const sum = (of) => results.reduce((total, each) => total + of(each), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    skips: results.flatMap(({ skips }) => skips),
    unexplained: results.flatMap(({ unexplained }) => unexplained),
  };
}

/**
 * What needs the host for itself is shared out to worlds, one a processor; the rest runs before. With arguments, or where
 * there can be no worlds, it is one run, one file after the other.
 */
async function everything(folder) {
  const reason = args.length > 0 ? 'some tests were asked for' : noWorlds();
  const parts = Math.min(2, availableParallelism());
  if (reason !== '' || parts < 2) return vitest(folder, 'all', args, here);
  const unit = await vitest(folder, 'unit', ['--project', 'unit'], here);
  const shares = share(hostFiles(root), parts);
  process.stdout.write(
    `The tests that need a host of their own run in ${parts} worlds; each is shown when it is over.\n`,
  );
  const host = await Promise.all(
    shares.map((files, index) => {
      const name = `ts-dock-test-${process.pid}-${index + 1}`;
      const start = (command, commandArgs, options) =>
        beside(name)(command, commandArgs, { ...options, folder });
      return vitest(folder, name, ['--project', 'host', ...files], start);
    }),
  );
  return added([unit, ...host]);
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

async function main() {
  for (const script of ['build-native.mjs', 'bundle.mjs']) {
    if (run(process.execPath, join(import.meta.dirname, script)).status !== 0) {
      end({ passed: 0, failed: 1, skipped: 0 });
      return;
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-test-'));
  try {
    const result = await everything(folder);
    result.failed += explainSkips(result);
    rmSync(folder, { recursive: true, force: true });
    end(result);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
