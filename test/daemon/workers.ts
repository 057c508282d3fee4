/** Runs worker.ts in several processes that begin at the same moment. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { launch } from '../rig/sandbox.ts';

const checkout = join(import.meta.dirname, '../..');

/** In the checkout, where the addon is found from. By the program: the library would leave a process of its own behind. */
function bundled(): string {
  const outfile = join(checkout, '.cache/test/worker.cjs');
  const how = ['--bundle', '--platform=node', '--target=node20', '--format=cjs', '--log-level=warning'];
  const defines = ['--define:import.meta.dirname=__dirname', '--define:import.meta.filename=__filename'];
  const file = join(import.meta.dirname, 'worker.ts');
  execFileSync(join(checkout, 'node_modules/.bin/esbuild'), [
    file,
    ...how,
    ...defines,
    `--outfile=${outfile}`,
  ]);
  return outfile;
}

/** What each said. */
export async function together(args: readonly (readonly string[])[]): Promise<unknown[]> {
  const file = bundled();
  const all = args.map((each) => launch(process.execPath, [file, ...each], { stdin: 'open' }));
  for (const { child } of all) child.stdin?.end();
  const done = await Promise.all(all.map((each) => each.done));
  return done.map(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(`a worker ended with ${code ?? 'a signal'}: ${stderr}`);
    return JSON.parse(stdout) as unknown;
  });
}
