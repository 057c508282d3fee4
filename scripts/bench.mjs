/**
 * `npm run bench`: how long a run takes, beside its peers in the same rounds, so that a noisy machine is noisy for all;
 * where ts-dock's time goes, from its journal; and many containers at once. Wall time in milliseconds.
 *
 *   npm run bench -- [ROUNDS] [--at-once N] [--images N] [--json]
 *
 * default 40 rounds, 50 at once, 3 rounds of images (see bench-images.mjs); 0 at once or of images: leave them out
 *
 * Peers that are not installed, or do not work here, are left out with the reason. docker and podman are given an image
 * of their own, made of this host's busybox, and it is removed again: nothing is downloaded.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: '50' },
    images: { type: 'string', default: '3' },
  },
});
const ROUNDS = Number(positionals[0] ?? 40);
const AT_ONCE = Number(options['at-once']);
const IMAGES = Number(options.images);
if (!(ROUNDS >= 1) || !(AT_ONCE >= 0) || !(IMAGES >= 0))
  throw new Error('usage: npm run bench -- [ROUNDS] [--at-once N] [--images N] [--json]');
const PAUSE_MS = 80;
const bundle = join(import.meta.dirname, '../dist/ts-dock.cjs');
const folder = mkdtempSync(join(tmpdir(), 'ts-dock-bench-'));
const root = join(folder, 'root');
const empty = join(folder, 'empty.cjs');
writeFileSync(empty, '');

// Node 20 reads this file at every start, 37 ms of it: what is measured is ts-dock and not a list of certificates.
const env = { ...process.env };
delete env.NODE_EXTRA_CA_CERTS;

const run = (command, args) => {
  const started = process.hrtime.bigint();
  const done = spawnSync(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  const ended = process.hrtime.bigint();
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stderr}`);
  return { started: Number(started), ended: Number(ended), ms: Number(ended - started) / 1e6 };
};
/** A detached container that stands there while the rest is measured: what exec joins, and whose monitor is weighed. */
const STANDING = 'standing';
/** Nobody listens there: the exporter's worst case. */
const NOBODY = 'http://127.0.0.1:9';
const tsDock = (...args) => run(process.execPath, [bundle, '--root', root, ...args]);

/** What could not be measured here, and why. */
const skipped = [];

/** A root filesystem of one program, for peers that would have to download one. */
function rootfs() {
  const path = join(folder, 'rootfs');
  if (existsSync(path)) return path;
  mkdirSync(join(path, 'bin'), { recursive: true });
  const copied = spawnSync('cp', [which('busybox') ?? '/bin/true', join(path, 'bin/true')]);
  if (copied.status !== 0) throw new Error('there is no busybox to put into an image');
  return path;
}

function which(name) {
  const { status, stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** The subject, where it is there and a first try of it succeeds. */
function peer(name, program, prepare) {
  try {
    if (which(program) === undefined) throw new Error(`${program} is not installed`);
    const go = prepare();
    go();
    return [{ name, go }];
  } catch (error) {
    skipped.push({ name, reason: String(error.message).trim().split('\n')[0] });
    return [];
  }
}

/** runc takes a bundle and no image: five namespaces and limits, but no network that leads anywhere. */
function runc() {
  const bundleDir = join(folder, 'runc');
  mkdirSync(bundleDir);
  run('runc', ['spec', '--bundle', bundleDir]);
  const file = join(bundleDir, 'config.json');
  const spec = JSON.parse(readFileSync(file, 'utf8'));
  spec.process.terminal = false;
  spec.process.args = ['/bin/true'];
  spec.root.path = rootfs();
  writeFileSync(file, JSON.stringify(spec));
  return () => run('runc', ['run', '--bundle', bundleDir, `bench-${process.pid}`]);
}

const images = [];

function engine(program) {
  const image = `ts-dock-bench-${process.pid}`;
  const made = spawnSync(
    'sh',
    ['-c', `tar -C "$1" -c . | "$2" import - "$3"`, 'sh', rootfs(), program, image],
    {
      encoding: 'utf8',
    },
  );
  if (made.status !== 0) throw new Error(made.stderr);
  images.push([program, image]);
  return () => run(program, ['run', '--rm', image, '/bin/true']);
}

const ours = (...args) => ({
  name: ['ts-dock run --rm', ...args, 'base true'].join(' '),
  go: () => tsDock('run', '--rm', ...args, 'base', 'true'),
});

function allSubjects() {
  return [
    { name: 'empty Node program', go: () => run(process.execPath, [empty]) },
    { ...ours(), split: true },
    ours('-m', '64m', '--cpus', '.5', '--pids-limit', '50'),
    ours('--net', 'none'),
    ours('--otlp', NOBODY),
    { name: `ts-dock exec ${STANDING} true`, go: () => tsDock('exec', STANDING, 'true') },
    ...peer(
      'unshare -mpnuif --fork true',
      'unshare',
      () => () => run('unshare', ['-mpnuif', '--fork', 'true']),
    ),
    ...peer('runc run (no network set up)', 'runc', runc),
    ...peer('docker run --rm', 'docker', () => engine('docker')),
    ...peer('podman run --rm', 'podman', () => engine('podman')),
  ];
}

/** Parents of containers that are here now: resident and private memory in KiB, the most of each kind. */
function monitors() {
  const kinds = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const read = (file) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, 'utf8');
      } catch {
        return '';
      }
    };
    const name = read('comm').trim();
    if (!/^(ts-dock-monitor|conmon|containerd-shim.*)$/.test(name)) continue;
    const kib = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(read('status'))?.[1] ?? 0);
    const seen = { name, resident: kib('VmRSS'), private: kib('RssAnon') };
    if ((kinds.get(name)?.resident ?? 0) <= seen.resident) kinds.set(name, seen);
  }
  return [...kinds.values()];
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

const round = (ms) => Math.round(ms * 10) / 10;

function inRounds(subjects) {
  const times = new Map(subjects.map(({ name }) => [name, []]));
  const splits = [];
  for (let n = 0; n < ROUNDS; n++) {
    for (const { name, go, split } of subjects) {
      // The kernel takes the last run's network namespace down by itself, and whoever makes one meanwhile waits for it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
      const done = go();
      times.get(name).push(done.ms);
      if (split) splits.push(splitOf(done));
    }
  }
  const base = median(times.get('empty Node program'));
  const runs = [...times].map(([name, list]) => {
    const sorted = [...list].sort((a, b) => a - b);
    const [min, mid, p90] = [sorted[0], at(sorted, 0.5), at(sorted, 0.9)];
    return {
      name,
      min: round(min),
      median: round(mid),
      p90: round(p90),
      ofEmptyNode: Math.round((mid / base) * 100) / 100,
    };
  });
  const parts = Object.keys(splits[0]).map((part) => [
    part,
    round(median(splits.map((split) => split[part]))),
  ]);
  const endpointRatio = median(times.get(ours('--otlp', NOBODY).name)) / median(times.get(ours().name));
  return { runs, parts: Object.fromEntries(parts), endpointRatio: Math.round(endpointRatio * 1000) / 1000 };
}

// --- many at once ---------------------------------------------------------------------------------------------------

/** All are up before the first may end; then all end. What they leave behind is looked for. */
async function atOnce(count) {
  const gate = join(folder, 'gate');
  mkdirSync(gate);
  spawnSync('mkfifo', ['-m', '666', join(gate, 'fifo')]);
  // Open at both ends before it says so: nobody can miss the opening of the gate.
  const script = 'exec 3<>/gate/fifo; echo up; read line <&3';
  const started = performance.now();
  const all = Array.from({ length: count }, () => {
    const args = ['--root', root, 'run', '--rm', '-v', `${gate}:/gate`, 'base', 'sh', '-c', script];
    return spawn(process.execPath, [bundle, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  });
  const failures = [];
  const ends = all.map(
    (child) =>
      new Promise((resolve) => {
        let said = '';
        child.stderr.on('data', (chunk) => (said += chunk));
        child.once('close', (code, signal) => {
          if (code !== 0) failures.push(said.trim().split('\n')[0] || `ended with ${code ?? signal}`);
          resolve();
        });
      }),
  );
  const ups = all.map((child) => new Promise((resolve) => child.stdout.once('data', resolve)));
  await Promise.all(ups.map((up, n) => Promise.race([up, ends[n]])));
  const up = performance.now();
  const fifo = openSync(join(gate, 'fifo'), 'r+');
  writeSync(fifo, '\n'.repeat(count));
  await Promise.all(ends);
  closeSync(fifo);
  const ended = performance.now();
  const left = await leftBehind();
  return { count, allUp: round(up - started), allEnded: round(ended - started), failures, left };
}

/** The kernel takes links down after the fact, so it is given some time. */
async function leftBehind() {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const left = look();
    if (left.length === 0 || performance.now() > deadline) return left;
    await pause(50);
  }
}

function look() {
  const names = (path) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []);
  const inRoot = ['containers', 'overlay/mnt', 'execdriver/native', 'network/leases', 'journal/open'];
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${root}/`));
  const bridges = names('/sys/class/net').filter((path) => existsSync(join(path, 'brif')));
  const bridge = bridges.find((path) => path.endsWith(`/${bridgeName()}`));
  const groups = cgroupFolders().flatMap((path) => names(path).filter((name) => /[0-9a-f]{64}$/.test(name)));
  return [
    ...inRoot.flatMap((path) => names(join(root, path))),
    ...mounts,
    ...names(join(bridge ?? '', 'brif')),
    ...groups,
  ];
}

/** From what ts-dock says of itself. */
function touched() {
  const { stdout } = spawnSync(process.execPath, [bundle, '--root', root, 'doctor', '--json'], {
    env,
    encoding: 'utf8',
  });
  return JSON.parse(stdout).findings.find(({ id }) => id === 'host.touches').seen;
}
let said;
const bridgeName = () => /bridge (\S+),/.exec((said ??= touched()))[1];

function cgroupFolders() {
  const parent = /cgroups \/(\S+),/.exec((said ??= touched()))[1];
  const top = '/sys/fs/cgroup';
  const tops = [top, ...readdirSync(top).map((name) => join(top, name))];
  return tops.map((path) => join(path, parent)).filter((path) => existsSync(path));
}

// --- images ---------------------------------------------------------------------------------------------------------

/** Its results with --json; else it prints them itself. */
function benchImages() {
  const script = join(import.meta.dirname, 'bench-images.mjs');
  const args = [script, IMAGES.toString(), ...(options.json ? ['--json'] : [])];
  const stdio = ['ignore', options.json ? 'pipe' : 'inherit', 'inherit'];
  const { status, stdout } = spawnSync(process.execPath, args, { stdio, encoding: 'utf8' });
  if (status !== 0) throw new Error('the images could not be measured');
  return options.json ? JSON.parse(stdout) : undefined;
}

// --- the end --------------------------------------------------------------------------------------------------------

function tables({ runs, parts, endpointRatio, parents, many }) {
  const lines = [
    `${'wall time, ms'.padEnd(66)} ${'min'.padStart(7)} ${'median'.padStart(7)} ${'p90'.padStart(7)}  of an empty Node program`,
    ...runs.map(({ name, min, median: mid, p90, ofEmptyNode }) => {
      const cells = [min, mid, p90].map((ms) => ms.toFixed(1).padStart(7)).join(' ');
      return `${name.padEnd(66)} ${cells}  ${ofEmptyNode.toFixed(2)}`;
    }),
    ...skipped.map(({ name, reason }) => `${name.padEnd(66)} left out: ${reason}`),
    '',
    `a run with an endpoint set beside one without: ${endpointRatio.toFixed(3)} of the median (goal: at most 1.05)`,
    '',
    ...parents.map(
      ({ name, resident, private: own }) =>
        `${name}: ${resident} KiB resident, ${own} KiB of it private (goal: under 2048)`,
    ),
    '',
    'where `ts-dock run --rm base true` spends it (medians, ms)',
    ...Object.entries(parts).map(([part, ms]) => `  ${part.padEnd(30)} ${ms.toFixed(1).padStart(6)}`),
  ];
  if (many === undefined) return lines.join('\n');
  const bad = [
    ...many.failures.map((text) => `failed: ${text}`),
    ...many.left.map((text) => `left behind: ${text}`),
  ];
  return [
    ...lines,
    '',
    `${many.count} containers at once: all up after ${many.allUp.toFixed(0)} ms, all ended after ${many.allEnded.toFixed(0)} ms, ` +
      (bad.length === 0 ? 'nothing is left' : 'but'),
    ...bad.map((text) => `  ${text}`),
  ].join('\n');
}

try {
  if (!existsSync(bundle)) throw new Error('there is no dist/ts-dock.cjs: npm run build makes it');
  tsDock('host', 'up');
  tsDock('run', '--rm', 'base', 'true');
  tsDock('run', '-d', '--name', STANDING, 'base', 'sleep', '3600');
  const measured = { ...inRounds(allSubjects()), parents: monitors() };
  tsDock('rm', '-f', STANDING);
  const many = AT_ONCE === 0 ? undefined : await atOnce(AT_ONCE);
  const machine = { node: process.versions.node, kernel: release(), cpus: cpus().length, rounds: ROUNDS };
  const result = { machine, ...measured, skipped, ...(many === undefined ? {} : { many }) };
  if (!options.json) console.log(tables(result));
  const images = IMAGES === 0 ? undefined : benchImages();
  if (options.json) console.log(JSON.stringify({ ...result, images }, null, 2));
  if (many !== undefined && many.failures.length + many.left.length > 0) process.exitCode = 1;
} finally {
  for (const [program, image] of images) spawnSync(program, ['rmi', image]);
  if (existsSync(root)) tsDock('uninstall', '--force');
  rmSync(folder, { recursive: true, force: true });
}
