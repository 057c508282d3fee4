/** What the README shows is what happens: its examples are run, its commands and steps exist, its two commands are the ones CI uses. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFlow } from '../../src/flows/run.ts';
import { VERSION } from '../../src/cli/version.ts';
import { eventually } from '../detached/eventually.ts';
import { launch, sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const readme = read('README.md');

interface Example {
  readonly command: string;
  readonly output: string;
}

/** The `console` blocks: each is one session, of commands with the output that stands below them. */
const sessions = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block = '']) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((part): Example => {
      const [command = '', ...output] = part.split('\n');
      return { command, output: output.join('\n') };
    }),
);

/** Ids and times are another each time, and with them the width of the columns. */
function lasting(output: string): string {
  return output
    .replace(/\b[0-9a-f]{64}\b/g, 'LONG-ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'ID')
    .replace(/(Less than a|About an?|\d+) (second|minute|hour)s?/g, 'TIME')
    .replace(/[ \t]+/g, ' ')
    .trim();
}

describe.skipIf(skipUnlessRoot())('an example of the README', () => {
  it('is there to be run', () => {
    expect(sessions.length).toBeGreaterThan(3);
    expect(sessions.flat().length).toBeGreaterThan(10);
  });

  it.each(sessions.map((session) => ({ name: session[0]?.command, session })))(
    '$name',
    async ({ session }) => {
      const box = await sandbox();
      // A shell reads the line, as a reader's would; only the program's name has a folder of its own.
      const bin = join(box.folder, 'bin');
      mkdirSync(bin);
      writeFileSync(
        join(bin, 'ts-dock'),
        `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'dist/ts-dock.cjs')}' --root '${box.root}' "$@"\n`,
        { mode: 0o755 },
      );
      const PATH = `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`;
      if (session.some(({ command }) => command.startsWith('ts-dock run')))
        await box.run(['run', '--rm', 'base', 'true']);
      for (const { command, output } of session) {
        expect(command).toMatch(/^ts-dock /);
        const { done } = launch('/bin/sh', ['-c', command], { env: { PATH }, cwd: box.folder });
        const said = await done;
        expect(said, command).toMatchObject({ code: 0, stderr: '' });
        // The program of a container that runs on its own says its words in its own time.
        if (command.startsWith('ts-dock logs')) await logged(box, command, output);
        else if (output !== '') expect(lasting(said.stdout), command).toBe(lasting(output));
      }
    },
  );

  it('shows a session as it is drawn', async () => {
    const box = await sandbox();
    const [, session = ''] = /```text\n([\s\S]*?)```/.exec(readme) ?? [];
    const commands = join(box.folder, 'commands');
    writeFileSync(commands, 'explain\nnext\nquit\n');
    const { stderr } = await box.run([
      'run',
      '--rm',
      '--break',
      'init.pivot',
      '--step-commands',
      commands,
      'base',
      'true',
    ]);
    const told = (text: string): string => text.replace(/\s+/g, ' ');
    const card = session
      .split('\n')
      .filter((line) => /^(──|Change| {2}(The|off|why|without|takes|gives|then|now) | {12}\S)/.test(line));
    expect(card.length).toBeGreaterThan(8);
    for (const line of card) expect(told(stderr)).toContain(told(line).trim());
    expect(stderr).toContain('pivot_root(".", ".") = 0');
  });
});

/** What is in the log in the end. */
async function logged(box: Sandbox, command: string, output: string): Promise<void> {
  const args = command.split(' ').slice(1);
  const wanted = lasting(output);
  const right = ({ stdout }: Done): boolean => lasting(stdout) === wanted;
  await eventually(() => box.run(args), right);
}

describe('the README', () => {
  it('has every command in its table', () => {
    const table = /\| command \|[\s\S]*?\n\n/.exec(readme)?.[0] ?? '';
    const help = execFileSync(process.execPath, [join(root, 'dist/ts-dock.cjs'), '--help'], {
      encoding: 'utf8',
    });
    const commands = [...help.matchAll(/^ {2,4}([a-z]+) (?:[<[a-z .\]>]+)? {2,}\S/gm)].map(
      ([, name]) => name,
    );
    expect(commands.length).toBeGreaterThan(25);
    for (const name of commands.filter((each) => each !== 'help'))
      expect(table).toMatch(new RegExp(`\`${name ?? ''}( (up|down))?\``));
  });

  it('names lessons and recordings that are there', () => {
    const files = [...readme.matchAll(/\b(?:lessons|traces)\/[a-z.-]+\.(?:txt|tsdock)/g)].map(
      ([file]) => file,
    );
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expect(existsSync(join(root, file)), file).toBe(true);
  });

  it('counts the steps right', () => {
    expect(readme).toContain(`as a list of\n${runFlow.length.toString()} small steps`);
    expect(read('CHANGELOG.md')).toContain(`${runFlow.length.toString()} steps that can be stopped at`);
  });

  it('has the test command that CI runs', () => {
    const [, tests = ''] = /```sh\n(npm run setup -- --with-tests && npm test)\n```/.exec(readme) ?? [];
    expect(tests).not.toBe('');
    for (const part of tests.split(' && ')) expect(read('.ci/run')).toContain(part);
  });

  it('names the version of the package', () => {
    expect(VERSION).toBe((JSON.parse(read('package.json')) as { version: string }).version);
  });
});
