/**
 * Runs inside the cgroup v2 machine, in one boot: every case that machine.test.ts asks about. Prints what it saw as JSON;
 * judging is the test's.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
const folder = mkdtempSync('/tmp/v2-');
const root = join(folder, 'root');

function start(args) {
  const child = spawn(process.execPath, [bundle, '--root', root, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const seen = { stdout: '', stderr: '' };
  const waiting = [];
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      seen[stream] += text;
      for (const look of waiting) look();
    });
  }
  const done = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      for (const look of waiting) look(true);
      resolve({ code, signal, ...seen });
    });
  });
  /** Resolves when `word` was written, or the program has ended. */
  const until = (word) =>
    new Promise((resolve) => {
      const look = (over) => (over === true || seen.stdout.includes(word) ? resolve() : undefined);
      waiting.push(look);
      look();
    });
  return { child, done, until };
}

const run = (...args) => {
  const live = start(['run', '--rm', '--net', 'none', ...args]);
  live.child.stdin.end();
  return live.done;
};

/** Directories of containers that are there now. */
function groups() {
  const parents = readdirSync('/sys/fs/cgroup').filter((name) => name.startsWith('ts-dock'));
  return parents.flatMap((parent) =>
    readdirSync(join('/sys/fs/cgroup', parent))
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => join('/sys/fs/cgroup', parent, name)),
  );
}

const FILES = [
  ...['memory.max', 'memory.swap.max', 'cpu.weight', 'cpu.max', 'cpuset.cpus', 'cpuset.cpus.effective'],
  ...['pids.max', 'io.max', 'cgroup.procs'],
];

function look(group) {
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : 'absent');
  const files = Object.fromEntries(FILES.map((file) => [file, read(join(group, file))]));
  const pid = files['cgroup.procs'].split('\n')[0];
  return { group, files, proc: read(`/proc/${pid}/cgroup`), comm: read(`/proc/${pid}/comm`) };
}

const LIMITS = [
  ...['-m', '64m', '--memory-swap', '96m', '-c', '512', '--cpus', '0.5', '--cpuset-cpus', '1'],
  ...['--pids-limit', '20', '--device-read-iops', '/dev/vda:10', '--device-write-iops', '/dev/vda:20'],
];

async function limits() {
  const live = start([
    'run',
    '--rm',
    '-i',
    '--net',
    'none',
    ...LIMITS,
    'base',
    'sh',
    '-c',
    'echo up; read x; exit 3',
  ]);
  await live.until('up');
  const seen = groups().map(look);
  live.child.stdin.end();
  return { ...(await live.done), seen, left: groups() };
}

/** The supervisor dies; what it left is ended by its cgroup. */
async function recovery() {
  const live = start([
    'run',
    '--rm',
    '--name',
    'orphan',
    '--net',
    'none',
    'base',
    'sh',
    '-c',
    "trap '' TERM; echo up; sleep 600 & sleep 600",
  ]);
  await live.until('up');
  const before = groups().map(look);
  live.child.kill('SIGKILL');
  await live.done;
  const recovered = start(['recover']);
  recovered.child.stdin.end();
  const done = await recovered.done;
  return { ...done, before, left: groups() };
}

/** From another process: measured, given other limits, paused, stopped. */
async function life() {
  const script =
    "trap 'exit 5' TERM; dd if=/dev/zero of=/dev/shm/ballast bs=1M count=8 2>/dev/null; " +
    'echo $$ $(cat /proc/self/oom_score_adj) up; while :; do sleep 600 & wait; done';
  const options = ['--net', 'none', '-m', '64m', '--init', '--oom-score-adj', '300'];
  const live = start(['run', '--name', 'life', ...options, 'base', 'sh', '-c', script]);
  await live.until('up');
  const said = [];
  const tell = async (...args) => {
    const done = start(args);
    done.child.stdin.end();
    said.push({ args, ...(await done.done) });
  };
  // What the program says comes before config.json says that it runs.
  const containers = join(root, 'containers');
  const runs = (id) => {
    const { Name, State } = JSON.parse(readFileSync(join(containers, id, 'config.json'), 'utf8'));
    return Name === '/life' && State.Running;
  };
  while (!readdirSync(containers).some(runs)) await new Promise((resolve) => setTimeout(resolve, 20));
  await tell('stats', '--no-stream', '--json', 'life');
  await tell('update', '-m', '32m', '--cpus', '0.25', '--pids-limit', '9', 'life');
  await tell('update', '--pids-limit', '11', '--cpuset-cpus', '17', 'life');
  await tell('update', '-m', '4m', 'life');
  const seen = groups().map(look);
  await tell('pause', 'life');
  const frozen = groups().map((group) => readFileSync(join(group, 'cgroup.events'), 'utf8'));
  await tell('stop', 'life');
  live.child.stdin.end();
  return { ...(await live.done), said, frozen, seen, left: groups() };
}

/** With a monitor: its end is seen, its output logged, and its groups go. */
async function detached() {
  const said = [];
  const tell = async (...args) => {
    const done = start(args);
    done.child.stdin.end();
    said.push({ args, ...(await done.done) });
  };
  const script = "trap 'exit 7' TERM; echo up; while :; do sleep 600 & wait; done";
  await tell('run', '-d', '--name', 'detached', '--net', 'none', 'base', 'sh', '-c', script);
  await tell('exec', 'detached', 'cat', '/proc/self/cgroup');
  const seen = groups().map(look);
  await tell('stop', 'detached');
  await tell('logs', 'detached');
  await tell('ps', '-a', '-f', 'name=detached');
  return { said, seen, left: groups() };
}

async function bridge() {
  const live = start(['run', '--rm', 'base', 'sh', '-c', 'ip address show dev eth0']);
  live.child.stdin.end();
  return live.done;
}

async function facts() {
  const commands = join(folder, 'commands');
  writeFileSync(commands, 'dump values\ncontinue\n');
  return run('--break', 'start.verify-kernel:after', '--step-commands', commands, 'base', 'true');
}

const cases = {
  first: () => run('base', 'cat', '/proc/self/cgroup'),
  limits,
  memory: () => run('-m', '32m', '--memory-swap', '32m', 'base', 'sh', '-c', 'exec tail /dev/zero'),
  pids: () =>
    run('--pids-limit', '4', 'base', 'sh', '-c', 'for n in 1 2 3 4 5 6; do sleep 1 & done; wait; echo all'),
  cpuset: () => run('--cpuset-cpus', '17', 'base', 'true'),
  io: () => run('--device-read-iops', '/dev/null:5', 'base', 'true'),
  code: () => run('base', 'sh', '-c', 'exit 42'),
  killed: () => run('base', 'sh', '-c', "sh -c 'kill -9 $$'; exit $?"),
  missing: () => run('base', 'no-such-program'),
  recovery,
  life,
  detached,
  bridge,
  facts,
};

const results = {};
for (const [name, act] of Object.entries(cases)) {
  const begun = performance.now();
  try {
    results[name] = { ...(await act()), left: results[name]?.left ?? groups() };
  } catch (error) {
    results[name] = { problem: String(error) };
  }
  results[name].ms = Math.round(performance.now() - begun);
}
results.down = (() => {
  const stdout = execFileSync(process.execPath, [bundle, '--root', root, 'host', 'down'], {
    encoding: 'utf8',
  });
  return { stdout, left: readdirSync('/sys/fs/cgroup').filter((name) => name.startsWith('ts-dock')) };
})();
process.stdout.write(`${JSON.stringify(results)}\n`);
