/**
 * The one set-up: `npm run setup [-- --with-tests]`. Afterwards dist/ts-dock.cjs runs from anywhere.
 *
 * It must work in a checkout without node_modules (builtins only) and must not need a network when nothing is lacking.
 * What the system lacks is found by looking for the thing itself, not for a package: names differ between systems.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const withTests = process.argv.includes('--with-tests');

/** Found without asking the PATH alone: iptables and ip lie in sbin, which a user's PATH often lacks. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

const program = (name) => () =>
  folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });

/** The compiler knows best where its headers lie. */
const header = (name) => () =>
  spawnSync('g++', ['-E', '-x', 'c++', '-'], {
    input: `#if !__has_include(<${name}>)\n#error lacking\n#endif\n`,
    stdio: ['pipe', 'ignore', 'ignore'],
  }).status === 0;

/** `libc.a` is asked of the compiler too: without it the static dockerinit cannot be linked. */
const library = (name) => () => {
  const found = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return found.status === 0 && existsSync(found.stdout.trim());
};

// The order matters: headers are asked of the compiler, and what is lacking is asked for all at once.
const builds = [
  { package: 'g++', why: 'compiles the native part', there: program('g++') },
  { package: 'make', why: 'builds the native part', there: program('make') },
  { package: 'libc6-dev', why: 'has the C library that dockerinit is linked with', there: library('libc.a') },
  { package: 'linux-libc-dev', why: 'has the headers of the kernel', there: header('linux/openat2.h') },
  { package: 'nlohmann-json3-dev', why: 'reads JSON in dockerinit', there: header('nlohmann/json.hpp') },
];
const runs = [
  {
    package: 'iptables',
    why: 'lets containers reach the network',
    there: program('iptables'),
    optional: true,
  },
];
const tests = [
  { package: 'strace', why: 'checks the calls that the cards show', there: program('strace') },
  { package: 'libarchive-tools', why: 'has bsdtar, whose archives are read', there: program('bsdtar') },
  { package: 'tmux', why: 'gives the stepper a terminal', there: program('tmux') },
  { package: 'busybox-static', why: 'fills the base image', there: program('busybox') },
  { package: 'clang-format', why: 'checks the format of the native part', there: program('clang-format') },
  { package: 'iproute2', why: 'looks at links with other eyes than ours', there: program('ip') },
  { package: 'util-linux', why: 'has unshare and nsenter', there: program('nsenter') },
  { package: 'procps', why: 'has ps', there: program('ps') },
  { package: 'docker-registry', why: 'is a real registry to pull from', there: program('docker-registry') },
  { package: 'openssl', why: 'makes the certificates of that registry', there: program('openssl') },
  { package: 'python3', why: 'holds locks and measures memory in tests', there: program('python3') },
  { package: 'zstd', why: 'packs archives that are loaded', there: program('zstd') },
  { package: 'skopeo', why: 'makes and reads images as others do', there: program('skopeo') },
  { package: 'umoci', why: 'makes OCI layouts', there: program('umoci') },
  { package: 'buildah', why: 'builds images', there: program('buildah') },
  { package: 'debootstrap', why: 'makes the root of a Debian', there: program('debootstrap') },
  { package: 'cpio', why: 'packs the disk of the cgroup v2 machine', there: program('cpio') },
  ...(process.arch === 'x64'
    ? [
        {
          package: 'qemu-system-x86',
          why: 'runs the cgroup v2 machine',
          there: program('qemu-system-x86_64'),
        },
        {
          package: 'g++-aarch64-linux-gnu',
          why: 'proves that arm64 compiles',
          there: program('aarch64-linux-gnu-g++'),
        },
      ]
    : []),
];

function say(sentence) {
  process.stdout.write(`${sentence}\n`);
}

function give(sentence) {
  process.stderr.write(`setup: ${sentence}\n`);
  process.exit(1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    give(`Node ${process.versions.node} is too old: ts-dock needs 20.19 or newer.`);
  }
  if (process.platform !== 'linux') {
    say('This is not Linux: the native part is left out, and containers cannot be run here.');
  }
}

function aptGet(...args) {
  // Without a terminal on standard input nothing may ask a question; dpkg would wait for an answer forever.
  const quiet = ['-qq', '-o', 'Dpkg::Use-Pty=0'];
  // A fresh machine often updates itself in the background.
  const patient = ['-o', 'DPkg::Lock::Timeout=300'];
  return spawnSync('apt-get', [...quiet, ...patient, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
}

function checkSystem() {
  if (process.platform !== 'linux') return;
  const wanted = [...builds, ...runs, ...(withTests ? tests : [])];
  const lacking = wanted.filter((need) => !need.there());
  if (lacking.length === 0) {
    say(`The system has all that is needed to build and run${withTests ? ', and for the tests' : ''}.`);
    return;
  }

  const mayInstall = process.getuid?.() === 0 && program('apt-get')();
  if (mayInstall) {
    say(`Installing with apt-get: ${lacking.map((need) => `${need.package} (${need.why})`).join(', ')}.`);
    // Lists may be absent or old. A failing update is no reason to stop: the install that follows decides.
    aptGet('update');
    const installed = aptGet(
      'install',
      '-y',
      '--no-install-recommends',
      ...lacking.map((need) => need.package),
    );
    if (installed.status !== 0) process.stderr.write(`${installed.stdout}${installed.stderr}`);
  }

  const still = lacking.filter((need) => !need.there());
  const needed = still.filter((need) => !need.optional);
  if (needed.length > 0) {
    const names = needed.map((need) => need.package).join(' ');
    give(
      mayInstall
        ? `apt-get could not install what is needed: ${names}.`
        : `Please install first (Debian's and Ubuntu's names): ${names}.`,
    );
  }
  for (const need of still)
    say(`There is no ${need.package}, which ${need.why}; ts-dock goes on without it.`);
}

/** npm itself, also where only the running npm's path is known. */
function npm(...args) {
  const script = process.env.npm_execpath;
  const [command, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const done = spawnSync(command, [...first, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (done.status !== 0) {
    give(`npm ${args[0]} failed${done.error ? `: ${done.error.message}` : ''}; the lines above say why.`);
  }
}

/**
 * Whether node_modules is what the lockfile says, by npm's own record of what it installed. Without this a second set-up
 * would throw all away and ask the registry again.
 */
function packagesAreThere() {
  const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  try {
    const locked = read('package-lock.json');
    const installed = read('node_modules/.package-lock.json');
    return Object.entries(locked).every(([path, entry]) => {
      if (path === '') return true;
      const there = installed[path];
      if (!there) return entry.optional === true;
      return (
        there.version === entry.version && there.integrity === entry.integrity && existsSync(join(root, path))
      );
    });
  } catch {
    return false;
  }
}

async function main() {
  checkNode();
  checkSystem();
  if (packagesAreThere()) {
    say('The npm packages are as the lockfile says.');
  } else {
    say('Installing the npm packages and compiling the native part.');
    npm('ci', '--no-progress');
  }
  // npm ci has compiled already, unless scripts are switched off in npm's settings or the packages were there.
  say('Building.');
  npm('run', '--silent', 'build');

  if (withTests) {
    say('Building dockerinit with sanitizers, for its tests.');
    npm('run', '--silent', 'sanitized');
  }
  const machine = join(import.meta.dirname, 'v2-machine.mjs');
  if (withTests && existsSync(machine)) {
    const { prepare } = await import(pathToFileURL(machine).href);
    await prepare();
  }
  const debian = join(import.meta.dirname, 'debian-root.mjs');
  if (withTests && process.platform === 'linux' && existsSync(debian)) {
    const { prepare } = await import(pathToFileURL(debian).href);
    prepare();
  }
  say('Ready: dist/ts-dock.cjs, or npx ts-dock in this folder.');
}

await main();
