/**
 * Bundles src/cli/main.ts into dist/main.cjs and src/trace/exporter.ts into dist/exporter.cjs, puts the launcher of the
 * first beside it as dist/ts-dock.cjs, and collects the cards of all steps and stages into dist/cards.json.
 *
 * One CommonJS file, because it starts 9 ms sooner than the same as ESM, and far sooner than unbundled.
 * When no input changed it does nothing, without even loading esbuild: `npm run build` has to be cheap enough to run
 * before everything. `--entry FILE --out FOLDER` are for trying the bundler on something else.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values: options } = parseArgs({
  options: {
    entry: { type: 'string', default: 'src/cli/main.ts' },
    out: { type: 'string', default: 'dist' },
    sourcemap: { type: 'boolean', default: false },
  },
});
const entry = join(root, options.entry);
const out = join(root, options.out);

/** Name, size and time of every input. Anything beneath src counts: what is imported is only known after bundling. */
function fingerprint() {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(options));
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${relative(root, path)} ${size} ${mtimeMs}\n`);
  };
  const walk = (folder) => {
    const entries = readdirSync(folder, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const each of entries) {
      if (each.isDirectory()) walk(join(folder, each.name));
      else if (each.isFile()) add(join(folder, each.name));
    }
  };
  walk(join(root, 'src'));
  for (const file of [
    'scripts/bundle.mjs',
    'scripts/launcher.cjs',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
  ])
    add(join(root, file));
  add(entry);
  return hash.digest('hex');
}

/** `src/steps/<n>-<stage>/<NNN>-<name>.md` is the card `<stage>.<name>`, `stage.md` the card `<stage>`. */
function collectCards() {
  const cards = {};
  const steps = join(root, 'src/steps');
  if (!existsSync(steps)) return cards;
  for (const folder of readdirSync(steps).sort()) {
    const stage = /^\d+-([a-z0-9-]+)$/.exec(folder)?.[1];
    if (!stage) continue;
    for (const file of readdirSync(join(steps, folder)).sort()) {
      const step = /^\d{3}-([a-z0-9-]+)\.md$/.exec(file)?.[1];
      const key = file === 'stage.md' ? stage : step && `${stage}.${step}`;
      if (!key) continue;
      if (key in cards) throw new Error(`two cards for ${key}: ${folder}/${file}`);
      cards[key] = readFileSync(join(steps, folder, file), 'utf8');
    }
  }
  return cards;
}

/**
 * commander loads child_process for subcommands that are programs of their own, which we have none of: 3 ms of every start.
 */
const withoutChildProcess = {
  name: 'commander-without-child-process',
  setup(build) {
    build.onResolve({ filter: /^(node:)?child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'child_process', namespace: 'unused' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({
      contents: 'module.exports = {};',
      loader: 'js',
    }));
  },
};

/**
 * Of sdk-node the exporter uses traces over HTTP. What else it loads (gRPC, metrics, logs, Prometheus, Zipkin, a YAML
 * configuration) would be two thirds of the bundle and of its start.
 */
const unusedOfTheSdk = {
  name: 'sdk-node-for-traces-over-http',
  setup(build) {
    const unused = [
      '@grpc/',
      '@opentelemetry/otlp-grpc-exporter-base',
      '@opentelemetry/exporter-trace-otlp-grpc',
      '@opentelemetry/exporter-(metrics|logs)-',
      '@opentelemetry/exporter-(prometheus|zipkin)',
      '@opentelemetry/configuration',
    ];
    build.onResolve({ filter: new RegExp(`^(${unused.join('|')})`) }, ({ path }) => ({
      path,
      namespace: 'unused-sdk',
    }));
    // Only ever asked for classes that nobody makes an object of.
    build.onLoad({ filter: /.*/, namespace: 'unused-sdk' }, () => ({
      contents: 'module.exports = new Proxy({}, { get: () => class {} });',
      loader: 'js',
    }));
  },
};

async function bundle(entry, plugins) {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    entryPoints: [entry],
    outfile: join(out, 'bundle.cjs'),
    plugins,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    // Has a prebuilt binary that is looked up beside its own files.
    external: ['libsql'],
    // CommonJS has no import.meta. Node gives both names the real path, also when started through a link.
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
    sourcemap: options.sourcemap ? 'inline' : false,
    logLevel: 'warning',
    absWorkingDir: root,
  });
  return ascii(direct(outputFiles[0].text));
}

/** `import * as fs` would copy, for each file that says so, all hundred names of it, to have a default beside them. */
function direct(code) {
  return code.replace(/var (\w+) = __toESM\(require\("node:fs"\), 1\);/g, (whole, name) =>
    code.includes(`${name}.default`) ? whole : `var ${name} = require("node:fs");`,
  );
}

/**
 * One character beyond Latin-1 makes V8 keep all of a source at two bytes a letter, which costs 6 ms of every start. esbuild
 * escapes what stands in strings; what it leaves stands in regular expressions, where the same escape means the same.
 */
function ascii(code) {
  return code.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As Node wraps a module, but here already: the launcher would have to copy all of it. */
function wrapped(code) {
  return `(function (exports, require, module, __filename, __dirname) {${code}\n})`;
}

/** A rename, so that a ts-dock that is starting at this moment never reads half a file. */
function put(name, content, mode) {
  const path = join(out, name);
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, content, { mode });
  chmodSync(fresh, mode);
  renameSync(fresh, path);
}

/** npx prefers this link; without it, it would install the checkout into a cache of its own first. */
function linkForNpx() {
  const link = join(root, 'node_modules/.bin/ts-dock');
  if (options.out !== 'dist' || existsSync(link) || !existsSync(join(root, 'node_modules/.bin'))) return;
  try {
    symlinkSync('../../dist/ts-dock.cjs', link);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}

async function main() {
  if (!existsSync(entry)) {
    process.stderr.write(`bundle: there is no ${options.entry} to bundle.\n`);
    process.exit(1);
  }
  const stamp = join(out, '.inputs');
  const now = fingerprint();
  const products = ['ts-dock.cjs', 'main.cjs', 'exporter.cjs', 'cards.json'].every((file) =>
    existsSync(join(out, file)),
  );
  if (!products || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== now) {
    mkdirSync(out, { recursive: true });
    const cards = collectCards();
    const code = wrapped(await bundle(entry, [withoutChildProcess]));
    const exporter = await bundle(join(root, 'src/trace/exporter.ts'), [unusedOfTheSdk]);
    const hash = createHash('sha256').update(code).digest('hex').slice(0, 16);
    const launcher = readFileSync(join(root, 'scripts/launcher.cjs'), 'utf8');
    put('main.cjs', code, 0o644);
    put('exporter.cjs', exporter, 0o644);
    put('ts-dock.cjs', launcher.replace('BUNDLE_HASH', hash), 0o755);
    for (const file of readdirSync(out)) if (/^main\..*\.cache/.test(file)) rmSync(join(out, file));
    put('cards.json', `${JSON.stringify(cards, null, 1)}\n`, 0o644);
    put('.inputs', now, 0o644);
    process.stdout.write(
      `Bundled ${options.out}/main.cjs (${Math.round(statSync(join(out, 'main.cjs')).size / 1024)} KiB) and ` +
        `${Object.keys(cards).length} cards.\n`,
    );
  }
  linkForNpx();
}

await main();
