/**
 * `npm run bench`: how long a run takes, beside its peers in the same rounds, so that a noisy machine is noisy for all.
 * Prints minimum, median and 90th percentile of wall time in milliseconds, and where ts-dock's time went, from its journal.
 *
 *   npm run bench -- [ROUNDS]     default 40
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROUNDS = Number(process.argv[2] ?? 40);
const PAUSE_MS = 80;
const bundle = join(import.meta.dirname, '../dist/ts-dock.cjs');
const folder = mkdtempSync(join(tmpdir(), 'ts-dock-bench-'));
const root = join(folder, 'root');
const empty = join(folder, 'empty.cjs');
writeFileSync(empty, '');

// Node 20 reads this file at every start, 37 ms of it: what is measured is ts-dock and not a list of certificates.
const env = { ...process.env };
delete env.NODE_EXTRA_CA_CERTS;

const has = (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
const run = (command, args) => {
  const started = process.hrtime.bigint();
  const done = spawnSync(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  const ended = process.hrtime.bigint();
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stderr}`);
  return { started: Number(started), ended: Number(ended), ms: Number(ended - started) / 1e6 };
};
const WITHOUT_ENDPOINT = 'ts-dock run --rm base true';
/** Nobody listens there: the exporter's worst case. */
const WITH_ENDPOINT = 'ts-dock run --rm --otlp URL base true';
const tsDock = (...args) => run(process.execPath, [bundle, '--root', root, ...args]);

const subjects = [
  { name: 'empty Node program', go: () => run(process.execPath, [empty]) },
  { name: WITHOUT_ENDPOINT, go: () => tsDock('run', '--rm', 'base', 'true'), split: true },
  {
    name: 'ts-dock run --rm -m 64m --cpus .5 --pids-limit 50',
    go: () => tsDock('run', '--rm', '-m', '64m', '--cpus', '.5', '--pids-limit', '50', 'base', 'true'),
  },
  { name: 'ts-dock run --rm --net none', go: () => tsDock('run', '--rm', '--net', 'none', 'base', 'true') },
  { name: WITH_ENDPOINT, go: () => tsDock('run', '--rm', '--otlp', 'http://127.0.0.1:9', 'base', 'true') },
  { name: 'unshare -mpnuif --fork true', go: () => run('unshare', ['-mpnuif', '--fork', 'true']) },
  ...runcSubject(),
  ...engineSubject('docker', ['run', '--rm', 'busybox', 'true']),
  ...engineSubject('podman', ['run', '--rm', 'busybox', 'true']),
];

/** runc takes a bundle and no image: the same rootfs, five namespaces and limits, no network of its own. */
function runcSubject() {
  if (!has('runc')) return [];
  const bundleDir = join(folder, 'runc');
  const made = spawnSync('sh', [
    '-ec',
    `mkdir -p ${bundleDir}/rootfs/bin && cp "$(command -v busybox || echo /bin/true)" ${bundleDir}/rootfs/bin/true && cd ${bundleDir} && runc spec`,
  ]);
  if (made.status !== 0) return [];
  const file = join(bundleDir, 'config.json');
  const spec = JSON.parse(readFileSync(file, 'utf8'));
  spec.process.terminal = false;
  spec.process.args = ['/bin/true'];
  writeFileSync(file, JSON.stringify(spec));
  const subject = {
    name: 'runc run (no network set up)',
    go: () => run('runc', ['run', '--bundle', bundleDir, `bench-${process.pid}`]),
  };
  return works(subject) ? [subject] : [];
}

function engineSubject(name, args) {
  if (!has(name)) return [];
  const subject = { name: `${name} ${args.join(' ')}`, go: () => run(name, args) };
  return works(subject) ? [subject] : [];
}

function works({ name, go }) {
  try {
    go();
    return true;
  } catch (error) {
    console.log(`left out: ${name}: ${String(error.message).split('\n')[0]}`);
    return false;
  }
}

/** Where the last run's time went. The journal's clock is CLOCK_MONOTONIC, as process.hrtime's is. */
function splitOf({ started, ended }) {
  const journals = readdirSync(join(root, 'journal'))
    .filter((name) => /^\d/.test(name))
    .sort();
  const text = readFileSync(join(root, 'journal', journals.at(-1), 'journal.jsonl'), 'utf8');
  const entries = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const begin = entries.find(({ k }) => k === 'begin').at;
  const end = entries.find(({ k }) => k === 'end').at;
  const steps = entries.filter(({ k }) => k === 'done');
  const kernel = steps
    .filter(({ step }) => step !== 'exit.wait')
    .reduce((sum, { kernel: ns }) => sum + ns, 0);
  const waited = steps
    .filter(({ step }) => step === 'exit.wait')
    .reduce((sum, { at, end: to }) => sum + to - at, 0);
  const ms = (ns) => ns / 1e6;
  return {
    'start of Node and ts-dock': ms(begin - started),
    'steps and undo': ms(end - begin - kernel - waited),
    'kernel calls in steps': ms(kernel),
    'the program': ms(waited),
    'end of Node': ms(ended - end),
  };
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const median = (numbers) =>
  at(
    [...numbers].sort((a, b) => a - b),
    0.5,
  );

try {
  if (!existsSync(bundle)) throw new Error('there is no dist/ts-dock.cjs: npm run build makes it');
  tsDock('host', 'up');
  tsDock('run', '--rm', 'base', 'true');
  const times = new Map(subjects.map(({ name }) => [name, []]));
  const splits = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, go, split } of subjects) {
      // The kernel takes the last run's network namespace down by itself, and whoever makes one meanwhile waits for it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      const done = go();
      times.get(name).push(done.ms);
      if (split) splits.push(splitOf(done));
    }
  }
  const base = median(times.get('empty Node program'));
  console.log(
    `${'wall time, ms'.padEnd(52)} ${'min'.padStart(7)} ${'median'.padStart(7)} ${'p90'.padStart(7)}  of an empty Node program`,
  );
  for (const [name, list] of times) {
    const sorted = [...list].sort((a, b) => a - b);
    const cells = [sorted[0], at(sorted, 0.5), at(sorted, 0.9)]
      .map((ms) => ms.toFixed(1).padStart(7))
      .join(' ');
    console.log(`${name.padEnd(52)} ${cells}  ${(at(sorted, 0.5) / base).toFixed(2)}`);
  }
  const ratio = median(times.get(WITH_ENDPOINT)) / median(times.get(WITHOUT_ENDPOINT));
  console.log(
    `\na run with an endpoint set beside one without: ${ratio.toFixed(3)} of the median (goal: at most 1.05)`,
  );
  console.log('\nwhere `ts-dock run --rm base true` spends it (medians, ms)');
  for (const part of Object.keys(splits[0]))
    console.log(
      `  ${part.padEnd(30)} ${median(splits.map((split) => split[part]))
        .toFixed(1)
        .padStart(6)}`,
    );
} finally {
  if (existsSync(root)) tsDock('host', 'down');
  rmSync(folder, { recursive: true, force: true });
}
