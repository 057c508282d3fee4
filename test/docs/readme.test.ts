/** What the README shows is what happens: its examples are run, its commands and steps exist, its two commands are the ones CI uses. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFlow } from '../../src/flows/run.ts';
import { VERSION } from '../../src/cli/version.ts';
import { sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const readme = read('README.md');

/** The `console` blocks: each a session, of commands with the output that stands below them. */
const sessions = [...readme.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block = '']) =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.split('\n');
      return { command, output: output.join('\n').trim() };
    }),
);

describe.skipIf(skipUnlessRoot())('an example of the README', () => {
  it('is there to be run', () => {
    expect(sessions.flat().length).toBeGreaterThan(12);
  });

  it.each(sessions.map((session) => [session[0]?.command ?? '', session] as const))(
    'session that begins with %s',
    async (_first, session) => {
      const box = await sandbox();
      if (session.some(({ command }) => command.startsWith('ts-dock run')))
        await box.run(['run', '--rm', 'base', 'true']);
      for (const { command, output } of session) {
        const [program, ...args] = command.split(' ');
        expect(program).toBe('ts-dock');
        const done = await box.run(args, { cwd: root });
        expect(done, command).toMatchObject({ code: 0, stderr: '' });
        // An ellipsis stands for what is different each time; nothing, for more than a page holds.
        if (output === '…') expect(done.stdout.trim()).not.toBe('');
        else if (output !== '') expect(done.stdout.trim()).toBe(output);
      }
    },
  );

  it('shows a session as it is drawn', async () => {
    const box = await sandbox();
    const [, session = ''] = /```text\n([\s\S]*?)```/.exec(readme) ?? [];
    const commands = join(box.folder, 'commands');
    const { writeFileSync } = await import('node:fs');
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

describe('the README', () => {
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
