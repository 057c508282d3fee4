/** The stepper on a real container: a person at a terminal, scripts, and nobody. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { widthOf } from '../../src/cli/render/text.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { terminal, type Terminal } from './tmux.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
const heads = (text: string): string[] =>
  [...text.matchAll(/^── \[\d+\/\d+\] .* (\S+) ──$/gm)].map(([, id]) => id ?? '');

function session({ root }: Sandbox, line: string, wrapped = (command: string): string => command): Terminal {
  return terminal(`${wrapped(`${process.execPath} ${bundle} --root ${root} ${line}`)}; echo "status $?"`);
}

async function containers(box: Sandbox): Promise<unknown[]> {
  return JSON.parse((await box.run(['ps', '-a', '--json'])).stdout) as unknown[];
}

describe.skipIf(skipUnlessRoot())('without a terminal', () => {
  test("--step and nothing on standard input: every step is told, nobody is waited for, standard output is the container's", async () => {
    const box = await sandbox();
    const { code, stdout, stderr } = await box.run(['run', '--rm', '--step', 'base', 'echo', 'hello']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hello\n' });
    const told = heads(stderr);
    const steps = JSON.parse((await box.run(['steps', '--json'])).stdout) as { id: string }[];
    expect(told).toEqual(steps.map(({ id }) => id));
    for (const line of stderr.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(100);
  });

  test('commands come from standard input; quit leaves no container', async () => {
    const box = await sandbox();
    const { code, stdout, stderr } = await box.run(
      ['run', '--break', 'init.pivot:after', 'base', 'echo', 'hello'],
      {
        stdin: 'diff\ncalls\ndump process\ndump values\nq\n',
      },
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(heads(stderr)).toEqual(['init.pivot']);
    expect(stderr).toContain('pivot_root(".", ".") = 0');
    expect(stderr).toMatch(/container \/\n.*was .*\n.*is +overlay/);
    expect(stderr).toMatch(/no new privileges {2,}\w+/);
    expect(stderr).toContain('you asked for the end');
    expect(await containers(box)).toEqual([]);
  });

  test("with -i standard input is the container's, and commands come from a file", async () => {
    const box = await sandbox();
    const file = join(box.folder, 'commands');
    writeFileSync(file, '# two looks, then on\nn\nlist\nc\n');
    const { code, stdout, stderr } = await box.run(
      ['run', '--rm', '-i', '--break', 'start.dns', '--step-commands', file, 'base', 'cat'],
      { stdin: 'to the container\n' },
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'to the container\n' });
    expect(stderr).toMatch(/▶ +\d+ {2}start\.mount-rootfs/);
  });

  test('without stepping a run is quiet, and --trace draws the tree', async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    expect(await box.run(['run', '--rm', 'base', 'echo', 'hello'])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
      stderr: '',
    });
    const { stderr } = await box.run(['run', '--rm', '--trace', 'base', 'true']);
    expect(stderr).toMatch(/^├─ ◆ init\.pivot +\S+ (?:µs|ms) {2}[█▏▎▍▌▋▊▉]+$/m);
    expect(stderr).not.toContain('── [');
  });

  test('--dump has two files per step, and no values of variables', async () => {
    const box = await sandbox();
    const dump = join(box.folder, 'dump');
    await box.run(['run', '--rm', '-e', 'TOKEN=hunter2', '--dump', dump, 'base', 'true']);
    const config = readFileSync(join(dump, fileOf(await stepIds(box), 'launch.clone', 'after')), 'utf8');
    expect(config).toContain('TOKEN=…');
    expect(config).not.toContain('hunter2');
    expect((JSON.parse(config) as { namespaces: Record<string, string> }).namespaces['pid']).toContain(
      'its own',
    );
  });
});

describe.skipIf(skipUnlessRoot())('the commands of a card', () => {
  test('name the container and the process that they are about, in exec and stop too', async () => {
    const box = await sandbox();
    await box.run(['run', '-d', '--init', '--name', 'web', 'base', 'sleep', '1000']);
    const looks = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await box.run(args);
      expect(code).toBe(0);
      // The first card comes before anybody knows; each other one has its command to try.
      return [...stderr.matchAll(/^ {2}look [^]*?(?=^ {2}✓|^ {2}\S)/gm)].slice(1).join('');
    };
    const exec = await looks('exec', '--step', 'web', 'true');
    expect(exec).toMatch(/ls -l \/proc\/\d+\/ns\b/);
    expect(exec).not.toMatch(/\$(PID|ID|ROOT)/);
    const stop = await looks('stop', '--step', 'web');
    expect(stop).toMatch(/\/proc\/\d+\/status/);
    expect(stop).toContain('freezer.state');
    expect(stop).not.toMatch(/\$(PID|ID|ROOT|PARENT)/);
  });
});

async function stepIds(box: Sandbox): Promise<string[]> {
  return (JSON.parse((await box.run(['steps', '--json'])).stdout) as { id: string }[]).map(({ id }) => id);
}

const fileOf = (ids: readonly string[], id: string, when: string): string =>
  `${String(ids.indexOf(id) + 1).padStart(3, '0')}-${id}.${when}.json`;

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('tmux'))('at a terminal', () => {
  test('a person steps in dockerinit, looks, and quits', async () => {
    const box = await sandbox();
    const screen = session(box, 'run --break init.user base sh');
    await screen.until(/\(ts-dock\) init\.user>$/m);
    screen.keys('Enter');
    await screen.until(/\(ts-dock\) init\.caps>$/m);
    screen.keys('dump process', 'Enter');
    await screen.until(/bounding capabilities/);
    screen.keys('q', 'Enter');
    await screen.until(/^status 0/m);
    expect(await containers(box)).toEqual([]);
  });

  test('with -i the container has the terminal until its end, then the stepper again', async () => {
    const box = await sandbox();
    const screen = session(
      box,
      'run --rm -i --break init.exec --break exit.persist base sh -c \'echo ready; read x; echo "got $x"\'',
    );
    await screen.until(/\(ts-dock\) \S+>$/m);
    screen.keys('c', 'Enter');
    // What is typed before the program runs would still be the stepper's.
    await screen.until(/^ready/m);
    screen.keys('words', 'Enter');
    await screen.until(/^got words/m);
    await screen.until(/\(ts-dock\) exit\.persist>$/m);
    screen.keys('C-d');
    await screen.until(/^status 0/m);
  });

  test('with -i and a pipe, commands still come from the terminal', async () => {
    const box = await sandbox();
    const screen = session(
      box,
      'run --rm -i --break start.dns base cat',
      (command) => `echo piped | ${command} 2>/dev/null`,
    );
    await screen.until(/\(ts-dock\) start\.dns>$/m);
    screen.keys('c', 'Enter');
    await screen.until(/^piped/m);
    await screen.until(/^status 0/m);
  });
});
