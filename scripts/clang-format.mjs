/**
 * Formats native/ with clang-format; `--check` only looks. The format is that of version 14 (Debian 12): others differ in
 * small things, so what another version finds is said and does not fail.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const kept = '14';

function version(program) {
  const asked = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return asked.status === 0 ? /version (\d+)/.exec(asked.stdout)?.[1] : undefined;
}

function main() {
  const check = process.argv.includes('--check');
  const files = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(cpp|hpp)$/.test(file))
    .map((file) => join('native', file));
  if (files.length === 0) return 0;

  const program = [`clang-format-${kept}`, 'clang-format'].find((name) => version(name) !== undefined);
  if (program === undefined) {
    process.stderr.write(
      'There is no clang-format, so the format of native/ was not looked at; npm run setup -- --with-tests installs it.\n',
    );
    return process.env.CI ? 1 : 0;
  }
  const how = check ? ['--dry-run', '--Werror'] : ['-i'];
  const done = spawnSync(program, [...how, ...files], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (done.status !== 0 && version(program) !== kept) {
    process.stderr.write(
      `This is clang-format ${version(program)}; the format is that of version ${kept}, so it may be right.\n`,
    );
    return 0;
  }
  return done.status ?? 1;
}

process.exitCode = main();
