/**
 * The second part of `npm run bench`, which calls it: images of 20 and of 200 MB, made of this host's own files, loaded from an archive of
 * `docker save`'s kind and pulled from a registry of Debian's on the loopback, beside the same done by others: wall time,
 * time on a processor, which says more where others work as well, and the most memory that a process took: it must not
 * grow with the image.
 *
 *   node scripts/bench-images.mjs [ROUNDS] [--json]     default 3 rounds
 *
 * Nothing is downloaded. Who is not installed, or does not work here, is left out with the reason.
 */
import { createHash } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
});
const ROUNDS = Number(positionals[0] ?? 3);
if (!(ROUNDS >= 1)) throw new Error('usage: node scripts/bench-images.mjs [ROUNDS] [--json]');
const SIZES = [20, 200];
const MB = 1_000_000;
const bundle = join(import.meta.dirname, '../dist/ts-dock.cjs');
const folder = mkdtempSync(join(tmpdir(), 'ts-dock-bench-images-'));
const root = join(folder, 'root');
const env = { ...process.env };
delete env.NODE_EXTRA_CA_CERTS;
const skipped = [];

/** Of `CLK_TCK`; the same on all that we run on. */
const TICK_MS = 10;

/** One program to its end. `peak` is its VmHWM in MiB, `cpu` in ms: looked at while it runs, as its end takes both along. */
function run(command, ...args) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let [peak, cpu, said] = [0, 0, ''];
    const look = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        peak = Math.max(peak, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
        const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
        const [user, system] = stat
          .slice(stat.lastIndexOf(')') + 2)
          .split(' ')
          .slice(11, 13);
        cpu = Math.max(cpu, (Number(user) + Number(system)) * TICK_MS);
      } catch {
        // It has ended.
      }
    }, 10);
    child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4000)));
    child.once('error', reject);
    child.once('close', (code) => {
      clearInterval(look);
      const ms = performance.now() - started;
      if (code === 0) resolve({ ms, cpu, peak: peak / 1024 });
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${said.trim()}`));
    });
  });
}

/** Several programs, one after the other: the times add up, of the memory the largest counts. */
async function inTurn(...commands) {
  const all = [];
  for (const command of commands) all.push(await run(...command));
  const sum = (key) => all.reduce((total, each) => total + each[key], 0);
  return { ms: sum('ms'), cpu: sum('cpu'), peak: Math.max(...all.map(({ peak }) => peak)) };
}

const tsDock = (...args) => run(process.execPath, bundle, '--root', root, ...args);

// --- what is measured with ------------------------------------------------------------------------------------------

/** Files of this host's, in the order of their names, until they are `bytes` together. */
function hostFiles(bytes) {
  const found = [];
  let sum = 0;
  const walk = (path) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (sum >= bytes) return;
      const name = join(path, entry.name);
      if (entry.isDirectory()) walk(name);
      else if (entry.isFile()) {
        const { size } = lstatSync(name);
        // No single file makes the image.
        if (size > bytes / 5) continue;
        found.push(name.slice(1));
        sum += size;
      }
    }
  };
  for (const top of ['/usr/share', '/usr/lib']) walk(top);
  return found;
}

const must = (command, ...args) => {
  const { status, stderr, error } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
};

/** As `docker save` writes it, of one layer. */
async function archive(size) {
  const place = join(folder, `image-${size}`);
  mkdirSync(place);
  const list = join(place, 'list');
  writeFileSync(list, hostFiles(size * MB).join('\n'));
  must('tar', '-cf', join(place, 'layer.tar'), '-C', '/', '-T', list);
  const hash = createHash('sha256');
  for await (const piece of createReadStream(join(place, 'layer.tar'))) hash.update(piece);
  const config = {
    architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
    os: 'linux',
    config: { Cmd: ['true'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${hash.digest('hex')}`] },
  };
  writeFileSync(join(place, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [`bench:${size}`], Layers: ['layer.tar'] }];
  writeFileSync(join(place, 'manifest.json'), JSON.stringify(manifest));
  const file = join(folder, `image-${size}.tar`);
  must('tar', '-cf', file, '-C', place, 'manifest.json', 'config.json', 'layer.tar');
  rmSync(place, { recursive: true });
  return file;
}

/** Debian's registry on a port that the kernel chooses; it says in its log which. */
async function registry() {
  const config = join(folder, 'registry.yml');
  const storage = join(folder, 'registry');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: info, formatter: json}\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: '127.0.0.1:0'}\n`,
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const host = await new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk) => {
      said += chunk;
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(`127.0.0.1:${port}`);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`docker-registry ended: ${said}`)));
  });
  return { host, stop: () => child.kill() };
}

// --- who does it ----------------------------------------------------------------------------------------------------

async function ours(...args) {
  if (existsSync(root)) await tsDock('uninstall', '--force');
  // The root itself, its bridge and its database are not what is looked at.
  await tsDock('images');
  return tsDock(...args);
}

async function skopeoAndUmoci(source, ...more) {
  const layout = join(folder, 'layout');
  const out = join(folder, 'unpacked');
  for (const path of [layout, out]) rmSync(path, { recursive: true, force: true });
  return inTurn(
    ['skopeo', 'copy', ...more, source, `oci:${layout}:bench`],
    ['umoci', 'unpack', '--image', `${layout}:bench`, out],
  );
}

async function podman(...args) {
  await run('podman', 'rmi', '--all', '--force');
  return run('podman', ...args);
}

const subjects = (size, file, host) => [
  { what: `load, ${size} MB`, who: 'ts-dock load', go: () => ours('load', '-q', '-i', file) },
  {
    what: `load, ${size} MB`,
    who: 'skopeo copy + umoci unpack',
    go: () => skopeoAndUmoci(`docker-archive:${file}`),
  },
  { what: `load, ${size} MB`, who: 'podman load', go: () => podman('load', '-q', '-i', file) },
  { what: `pull, ${size} MB`, who: 'ts-dock pull', go: () => ours('pull', '-q', `${host}/bench:${size}`) },
  {
    what: `pull, ${size} MB`,
    who: 'skopeo copy + umoci unpack',
    go: () => skopeoAndUmoci(`docker://${host}/bench:${size}`, '--src-tls-verify=false'),
  },
  {
    what: `pull, ${size} MB`,
    who: 'podman pull',
    go: () => podman('pull', '-q', '--tls-verify=false', `${host}/bench:${size}`),
  },
];

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measured({ what, who, go }) {
  const all = [];
  try {
    for (let n = 0; n < ROUNDS; n++) all.push(await go());
  } catch (error) {
    const reason = error.code === 'ENOENT' ? 'it is not installed' : error.message.split('\n').at(-1);
    skipped.push({ what, who, reason });
    return [];
  }
  const ms = all.map((each) => each.ms);
  const peak = Math.round(Math.max(...all.map((each) => each.peak)));
  const cpu = median(all.map((each) => each.cpu));
  return [{ what, who, min: Math.round(Math.min(...ms)), median: Math.round(median(ms)), cpu, peak }];
}

function table(results) {
  const row = (...cells) =>
    `${cells[0].padEnd(16)} ${cells[1].padEnd(28)} ${cells
      .slice(2)
      .map((cell) => cell.padStart(8))
      .join(' ')}`;
  return [
    row('images', '', 'min ms', 'median', 'cpu ms', 'peak MiB'),
    ...results.map(({ what, who, ...numbers }) => row(what, who, ...Object.values(numbers).map(String))),
    ...skipped.map(({ what, who, reason }) => `${what.padEnd(16)} ${who.padEnd(28)} left out: ${reason}`),
  ].join('\n');
}

let server;
try {
  if (!existsSync(bundle)) throw new Error('there is no dist/ts-dock.cjs: npm run build makes it');
  server = await registry();
  const results = [];
  for (const size of SIZES) {
    const file = await archive(size);
    const target = `docker://${server.host}/bench:${size}`;
    must('skopeo', 'copy', '--dest-tls-verify=false', `docker-archive:${file}`, target);
    for (const subject of subjects(size, file, server.host)) results.push(...(await measured(subject)));
  }
  console.log(options.json ? JSON.stringify({ results, skipped }, null, 2) : table(results));
} finally {
  server?.stop();
  if (existsSync(root)) await tsDock('uninstall', '--force');
  rmSync(folder, { recursive: true, force: true });
}
