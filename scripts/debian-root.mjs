/**
 * The root of a small Debian, made by debootstrap, as a tar archive in .cache/debian/: for the test that imports and runs
 * it. The mirror is the one that this machine's own apt uses.
 *
 *   node scripts/debian-root.mjs    makes it (once; a minute or two)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

const cache = join(import.meta.dirname, '../.cache/debian');
export const archive = join(cache, 'root.tar');

/** What a test of 8 000 files learns nothing from. */
const LEFT_OUT = [
  ...['./var/cache/apt/*', './var/lib/apt/lists/*', './var/log/*'],
  ...['doc', 'man', 'locale', 'zoneinfo', 'info'].map((name) => `./usr/share/${name}/*`),
];

function must(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (done.error) throw new Error(`${command}: ${done.error.message}`);
  if (done.status !== 0)
    throw new Error(`${command}: ${`${done.stdout}${done.stderr}`.trim().split('\n').pop()}`);
  return done.stdout;
}

/** Of the release that this machine runs, where apt says both; debootstrap's own defaults elsewhere. */
function mirror() {
  const lines = must('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(CODENAME) $(COMPONENT)',
    'Created-By: Packages',
  ]).split('\n');
  const [uri, suite] = (lines.find((line) => /^https?:\S+ [a-z]+ main$/.test(line)) ?? '').split(' ');
  if (uri === '' || suite === undefined) throw new Error('apt names no mirror');
  return { uri, suite };
}

/** True when the archive is there. Why it cannot be is said in one sentence, and is no reason to stop the set-up. */
export function prepare() {
  if (existsSync(archive)) return true;
  try {
    if (process.getuid?.() !== 0) throw new Error('it needs root');
    const { uri, suite } = mirror();
    process.stdout.write('Making the root of a small Debian with debootstrap (a minute or two, once).\n');
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, 'make-'));
    try {
      const tree = join(work, 'tree');
      // It mounts a /proc in the tree: in a namespace of its own none can be left there when the tree is removed.
      must('unshare', ['-m', 'debootstrap', '--variant=minbase', suite, tree, uri]);
      const fresh = join(work, 'root.tar');
      must('tar', [
        ...['-C', tree, '--one-file-system', '--numeric-owner'],
        ...LEFT_OUT.map((name) => `--exclude=${name}`),
        ...['-cf', fresh, '.'],
      ]);
      renameSync(fresh, archive);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return true;
  } catch (error) {
    process.stderr.write(`There is no root of a Debian, and its test will be skipped: ${error.message}\n`);
    return false;
  }
}

if (argv[1] === fileURLToPath(import.meta.url)) process.exitCode = prepare() ? 0 : 1;
