/**
 * A machine with cgroup v2 alone, for tests on a host that has v1: qemu without KVM, Debian's kernel, this host's own root
 * read-only beneath a RAM disk. Nothing that runs in it can change this host, but for the folder of its job.
 *
 *   node scripts/v2-machine.mjs prepare             fetches the kernel into .cache/v2 (once)
 *   node scripts/v2-machine.mjs ready               whether that was done, as exit code
 *   node scripts/v2-machine.mjs run -- CMD ARG...   boots, runs CMD in this folder as root, gives its output and exit code
 *
 * TS_DOCK_V2_SECONDS is how long a run may take (240); TS_DOCK_V2_CONSOLE=1 shows what the kernel said.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = join(import.meta.dirname, '..');
const cache = join(checkout, '.cache/v2');
const kernel = join(cache, 'vmlinuz');

/** What the machine cannot do without, beyond what the kernel has built in. Order and dependencies are worked out. */
const MODULES = [
  ...['virtio_pci', 'virtio_blk', '9pnet_virtio', '9p', 'overlay', 'bridge', 'veth'],
  // crc32c_generic: conntrack asks for it in a way that no module says of itself.
  ...[
    'crc32c_generic',
    'nf_tables',
    'nft_compat',
    'nft_chain_nat',
    'xt_MASQUERADE',
    'xt_conntrack',
    'xt_comment',
  ],
];

function must(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (done.error) throw new Error(`${command}: ${done.error.message}`);
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${done.stderr.trim().split('\n').pop()}`);
  return done.stdout;
}

const lacks = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0;

// --- prepare --------------------------------------------------------------------------------------------------------

export function isPrepared() {
  return existsSync(kernel) && existsSync(initrd);
}

/** True when the machine can be used. What is missing is said in one sentence, and is no reason to stop the set-up. */
export async function prepare() {
  if (isPrepared()) return true;
  if (process.arch !== 'x64') return decline('it needs an x64 host');
  try {
    installPrograms();
    process.stdout.write('Fetching a kernel for the cgroup v2 machine (70 MB, once).\n');
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, 'fetch-'));
    try {
      makeFrom(fetchKernel(work));
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
    return true;
  } catch (error) {
    return decline(error.message);
  }
}

function decline(why) {
  process.stderr.write(`There is no cgroup v2 machine, and its tests will be skipped: ${why}\n`);
  return false;
}

function installPrograms() {
  const needs = { 'qemu-system-x86_64': 'qemu-system-x86', cpio: 'cpio', busybox: 'busybox-static' };
  const packages = Object.entries(needs).flatMap(([program, name]) => (lacks(program) ? [name] : []));
  if (packages.length === 0) return;
  must('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

/** The package is unpacked and not installed: no boot loader of this host shall ever hear of it. */
function fetchKernel(work) {
  const depends = () =>
    spawnSync('apt-cache', ['depends', 'linux-image-amd64'], { encoding: 'utf8' }).stdout ?? '';
  let name = /linux-image-\S*-amd64/.exec(depends().replace(/^linux-image-amd64/, ''))?.[0];
  if (name === undefined) {
    must('apt-get', ['update', '-qq']);
    name = /linux-image-\S*-amd64/.exec(depends().replace(/^linux-image-amd64/, ''))?.[0];
  }
  if (name === undefined) throw new Error('apt knows of no linux-image-amd64, which is Debian’s kernel');
  const download = () =>
    must('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', name], { cwd: work });
  try {
    download();
  } catch {
    // Old lists name a version that is gone.
    must('apt-get', ['update', '-qq']);
    download();
  }
  const file = readdirSync(work).find((each) => each.endsWith('.deb'));
  must('dpkg', ['-x', file, 'tree'], { cwd: work });
  return join(work, 'tree');
}

function makeFrom(tree) {
  const image = readdirSync(join(tree, 'boot')).find((name) => name.startsWith('vmlinuz'));
  const modules = ['lib', 'usr/lib']
    .map((folder) => join(tree, folder, 'modules'))
    .find((folder) => existsSync(folder));
  const version = readdirSync(modules)[0];
  const files = inOrder(join(modules, version));
  const fresh = `${initrd}.${process.pid}`;
  writeFileSync(fresh, pack(tree, files));
  renameSync(fresh, initrd);
  // Last: with it the machine counts as prepared.
  copyFileSync(join(tree, 'boot', image), `${kernel}.new`);
  renameSync(`${kernel}.new`, kernel);
}

const plain = (name) => name.replaceAll('-', '_');

/** Module files with what they depend on before them; each says it of itself, as `depends=a,b`. */
function inOrder(folder) {
  const all = new Map();
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (path.endsWith('.ko')) all.set(plain(basename(path, '.ko')), join(folder, path));
  }
  const builtin = new Set(
    readFileSync(join(folder, 'modules.builtin'), 'utf8')
      .split('\n')
      .map((path) => plain(basename(path, '.ko'))),
  );
  const order = [];
  const add = (name) => {
    if (builtin.has(name) || order.includes(all.get(name))) return;
    const file = all.get(name);
    if (file === undefined) throw new Error(`the kernel package has no module ${name} that can be read`);
    const depends = /depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
    for (const each of depends.split(',').filter((word) => word !== '')) add(plain(each));
    order.push(file);
  };
  for (const name of MODULES) add(name);
  return order;
}

/** The first root: busybox, the modules, and a script that goes over to the real one. */
function pack(tree, modules) {
  const root = join(tree, 'initrd');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'modules'));
  copyFileSync(must('sh', ['-c', 'command -v busybox']).trim(), join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  const names = modules.map((file, n) => `${String(n).padStart(2, '0')}-${basename(file)}`);
  modules.forEach((file, n) => copyFileSync(file, join(root, 'modules', names[n])));
  writeFileSync(join(root, 'init'), INIT, { mode: 0o755 });
  const cpio = spawnSync('cpio', ['-o', '-H', 'newc', '--quiet', '-R', '0:0'], {
    cwd: root,
    input: ['.', ...readdirSync(root, { recursive: true })].join('\n'),
    maxBuffer: 256 << 20,
  });
  if (cpio.status !== 0) throw new Error(`cpio: ${cpio.stderr}`);
  return cpio.stdout;
}

/**
 * Overlay cannot lie on overlay, so what ts-dock mounts needs a file system of its own: /tmp and its default root are RAM.
 * The files of the job are the only thing of the host that can be written.
 */
const INIT = `#!/bin/busybox sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
busybox mkdir -p /proc /sys /dev /host /over /new
for applet in mount mkdir insmod switch_root poweroff echo cat ip; do busybox ln -sf busybox /bin/$applet; done
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod $module; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host || poweroff -f
mount -t tmpfs tmpfs /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /new || poweroff -f
mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/var/lib/ts-dock /new/v2-job /new/v2-host
for each in proc sys dev; do mount --move /$each /new/$each; done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts -o ptmxmode=0666 devpts /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
mount -t tmpfs tmpfs /new/tmp
mount -t tmpfs tmpfs /new/var/lib/ts-dock
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
mount -t 9p -o trans=virtio,version=9p2000.L job /new/v2-job || poweroff -f
mount --move /host /new/v2-host
ip link set lo up
exec switch_root /new /bin/sh /v2-job/start
`;

/** Named by what it is made of, so that another list of modules makes another one. */
const initrd = join(
  cache,
  `initrd-${createHash('sha256').update(`${INIT} ${MODULES}`).digest('hex').slice(0, 8)}`,
);

// --- run ------------------------------------------------------------------------------------------------------------

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

const START = (
  command,
) => `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export TS_DOCK_V2_MACHINE=1
# A checkout below /tmp is hidden by the RAM that lies there now.
[ -e ${quoted(checkout)} ] || { mkdir -p ${quoted(checkout)} && mount --bind /v2-host${quoted(checkout)} ${quoted(checkout)}; }
cd ${quoted(checkout)}
${command.map(quoted).join(' ')} > /v2-job/stdout 2> /v2-job/stderr < /dev/null
echo $? > /v2-job/exit
sync
busybox poweroff -f
`;

function qemuArguments(job) {
  const share = (id, path, more) => [
    ...['-fsdev', `local,id=${id},path=${path},security_model=none,multidevs=remap${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${id},mount_tag=${id}`],
  ];
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '3000', '-machine', 'pc'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-serial', `file:${join(job, 'console')}`],
    ...['-kernel', kernel, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1 cgroup_no_v1=all mitigations=off'],
    ...share('host', '/', ',readonly=on'),
    ...share('job', job, ''),
    // A disk to throttle.
    ...[
      '-drive',
      `file=${join(job, 'disk')},format=raw,if=none,id=disk`,
      '-device',
      'virtio-blk-pci,drive=disk',
    ],
  ];
}

/** Boots and runs `command` to its end. */
export async function run(command, seconds = Number(process.env.TS_DOCK_V2_SECONDS ?? 240)) {
  const job = mkdtempSync(join(tmpdir(), 'ts-dock-v2-'));
  try {
    writeFileSync(join(job, 'start'), START(command));
    const disk = openSync(join(job, 'disk'), 'w');
    ftruncateSync(disk, 16 << 20);
    closeSync(disk);
    const late = await boot(job, seconds);
    const read = (name) => (existsSync(join(job, name)) ? readFileSync(join(job, name), 'utf8') : '');
    const exit = read('exit').trim();
    const why = late ? `it did not end within ${seconds} s` : 'it went down by itself';
    return {
      code: exit === '' ? undefined : Number(exit),
      stdout: read('stdout'),
      stderr: read('stderr'),
      console: read('console'),
      problem: exit === '' ? why : '',
    };
  } finally {
    rmSync(job, { recursive: true, force: true });
  }
}

/** Resolves when the machine is off; true when it had to be switched off. */
function boot(job, seconds) {
  return new Promise((resolve, reject) => {
    const qemu = spawn('qemu-system-x86_64', qemuArguments(job), { stdio: ['ignore', 'inherit', 'inherit'] });
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      qemu.kill('SIGKILL');
    }, seconds * 1000);
    const stop = () => qemu.kill('SIGKILL');
    process.once('exit', stop);
    qemu.once('error', reject);
    qemu.once('exit', () => {
      clearTimeout(timer);
      process.off('exit', stop);
      resolve(late);
    });
  });
}

async function main() {
  const [verb, dashes, ...command] = process.argv.slice(2);
  if (verb === 'prepare') return (await prepare()) ? 0 : 1;
  if (verb === 'ready') return isPrepared() ? 0 : 1;
  if (verb !== 'run' || dashes !== '--' || command.length === 0) {
    process.stderr.write('usage: v2-machine.mjs prepare | ready | run -- CMD ARG...\n');
    return 2;
  }
  if (!isPrepared() && !(await prepare())) return 1;
  const done = await run(command);
  process.stdout.write(done.stdout);
  process.stderr.write(done.stderr);
  if (done.problem !== '' || process.env.TS_DOCK_V2_CONSOLE) process.stderr.write(done.console);
  if (done.problem !== '') process.stderr.write(`The machine gave no answer: ${done.problem}.\n`);
  return done.code ?? 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  process.exitCode = await main();
}
