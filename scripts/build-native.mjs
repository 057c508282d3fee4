/**
 * Builds the native parts: npm's `install` script, and the first half of `npm run build`.
 *
 * It runs before anything is installed, so builtins only. Silent on success; what is missing is one sentence that names
 * it and the Debian package, since a compiler's first error would be about a line that nobody here has written.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');

function stop(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** `compiler` and `make` are looked for on the PATH rather than run: a check must cost nothing on a good machine. */
function program(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

const compiler = process.env.CXX ?? 'g++';
const headers = [
  { name: 'nlohmann/json.hpp', package: 'nlohmann-json3-dev' },
  { name: 'linux/openat2.h', package: 'linux-libc-dev' },
  { name: 'linux/close_range.h', package: 'linux-libc-dev' },
];

/** The compiler is asked once for all headers; it alone knows where it looks. */
function missingHeader() {
  const lines = headers.map((header, n) => `#if !__has_include(<${header.name}>)\nlacking ${n}\n#endif\n`);
  const asked = spawnSync(compiler, ['-E', '-P', '-x', 'c++', '-'], {
    input: lines.join(''),
    encoding: 'utf8',
  });
  const first = /lacking (\d+)/.exec(asked.stdout ?? '');
  return first === null ? undefined : headers[Number(first[1])];
}

function missing() {
  if (process.env.CXX === undefined && !program('g++')) return { name: 'the C++ compiler', package: 'g++' };
  if (!program('make')) return { name: 'make', package: 'make' };
  return missingHeader();
}

if (process.platform !== 'linux') {
  process.stdout.write(
    `ts-dock runs containers on Linux only: on ${process.platform}, replay and explain work.\n`,
  );
  process.exit(0);
}

if (!existsSync(join(root, 'native', 'Makefile'))) {
  // An installed package may carry the products instead of the sources.
  if (existsSync(join(root, 'build', 'ts_dock.node'))) process.exit(0);
  stop('ts-dock cannot be built: native/Makefile is missing; get the whole repository.');
}

const lacking = missing();
if (lacking !== undefined) {
  stop(
    `ts-dock cannot be built: ${lacking.name} is missing; install ${lacking.package} or run \`npm run setup\`.`,
  );
}
if (!existsSync(join(root, 'node_modules', 'node-addon-api', 'napi.h'))) {
  stop('ts-dock cannot be built: node_modules/node-addon-api is missing; run `npm install`.');
}

// -k: one product's broken source does not keep the other from being built; the exit code is an error all the same.
const make = spawnSync('make', ['-k', '-j2', '-s', '-f', join(root, 'native', 'Makefile')], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
if (make.status !== 0) {
  process.stderr.write(make.stdout + make.stderr);
  stop('ts-dock cannot be built: the compiler or the linker failed, see above.');
}
