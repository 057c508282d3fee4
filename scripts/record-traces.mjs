/**
 * Makes the recordings in traces/ again: one run that goes well, and one that fails in dockerinit. Root and Linux only.
 *
 * What they say of this machine is what the kernel says of any: the runs have namespaces of their own, without the mounts
 * that only this machine has, another host name, and next to no environment.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '..');
const traces = join(project, 'traces');
/** Its paths stand in the recordings, so it is the same on every machine, and has a copy of all that runs. */
const place = '/tmp/ts-dock-traces';
const root = join(place, 'root');
const copy = join(place, 'ts-dock');
const program = join(copy, 'dist/ts-dock.cjs');

const RUNS = [
  {
    file: 'good-run.tsdock',
    code: 0,
    options: '--rm --name greeter -h greeter --dns 192.0.2.53 -m 64m --pids-limit 16 -e GREETING=hello',
    program: ['base', 'sh', '-c', 'echo "$GREETING from process $$"; ls /; echo bye >&2'],
  },
  {
    file: 'fails-in-dockerinit.tsdock',
    code: 125,
    options: '--rm --name nobody-home --dns 192.0.2.53 -u bob',
    program: ['base', 'true'],
  },
];

function main() {
  if (process.getuid?.() !== 0) throw new Error('recording runs needs root');
  if (!process.argv.includes('--inside')) {
    const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--cgroup', '--fork', '--mount-proc'];
    const again = [process.execPath, import.meta.filename, '--inside'];
    const { status } = spawnSync('unshare', [...namespaces, '--propagation', 'private', ...again], {
      stdio: 'inherit',
    });
    process.exit(status ?? 1);
  }
  detachForeignMounts();
  execFileSync('hostname', ['host']);
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  if (existsSync(place)) throw new Error(`${place} is there already: remove it, if it is not in use`);
  mkdirSync(copy, { mode: 0o700, recursive: true });
  try {
    for (const part of ['package.json', 'dist', 'build/dockerinit', 'build/ts_dock.node'])
      cpSync(join(project, part), join(copy, part), { recursive: true });
    symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'));
    // The base image is made, and dockerinit copied, before anything is recorded.
    tsDock(0, ['run', '--rm', 'base', 'true']);
    for (const run of RUNS) record(run);
  } finally {
    tsDock(0, ['host', 'down']);
    rmSync(place, { recursive: true });
  }
}

/** Mounts that every Linux has stay, and those that this very program lies on. */
function detachForeignMounts() {
  const needed = [project, process.execPath, place];
  const isNeeded = (target) => needed.some((path) => path === target || path.startsWith(`${target}/`));
  const targets = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8))),
    )
    .filter((target) => target !== '' && !/^\/($|proc($|\/)|sys($|\/)|dev($|\/))/.test(target));
  for (const target of targets.reverse()) if (!isNeeded(target)) execFileSync('umount', ['-l', target]);
}

function record({ file, code, options, program: words }) {
  tsDock(code, ['run', '--record', file, ...options.split(' '), ...words]);
  // Renamed beside the old one: the place may lie on another filesystem.
  const half = join(traces, `${file}.new`);
  cpSync(join(place, file), half);
  chmodSync(half, 0o644);
  renameSync(half, join(traces, file));
  process.stdout.write(`Recorded traces/${file}.\n`);
}

function tsDock(code, words) {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LANG: 'C.UTF-8', TS_DOCK_ROOT: root };
  const done = spawnSync(process.execPath, [program, ...words], { cwd: place, env, encoding: 'utf8' });
  if (done.status !== code)
    throw new Error(`ts-dock ${words.join(' ')} ended with ${done.status}, not ${code}: ${done.stderr}`);
}

main();
