/** `--init`, `--oom-score-adj`, `--sig-proxy`, `--cidfile`: options of run that say how a container lives. */
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { running, state, stored } from './rig.ts';

describe.skipIf(skipUnlessRoot())('run', () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
  });
  afterAll(() => box.dispose());
  const sh = (options: readonly string[], script: string): Promise<Done> =>
    box.run(['run', '--rm', '--net', 'none', ...options, 'base', 'sh', '-c', script]);

  describe('--init', () => {
    /** State and pid of each child of a process, as the host sees them. */
    const childrenOf = (pid: number): string[] =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => {
          try {
            const text = readFileSync(`/proc/${name}/stat`, 'utf8');
            const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ');
            return Number(parent) === pid ? [state] : [];
          } catch {
            return [];
          }
        });

    it.each([
      // The main program, and nobody else: the kernel gave the orphan to process 1, which reaped it.
      ['reaps whom nobody waits for', ['--init'], (all: string[]) => all.length === 1 && !all.includes('Z')],
      ['which a program that is process 1 does not', [], (all: string[]) => all.join() === 'Z'],
    ])('%s', async (_, options, wanted) => {
      const script = 'sh -c "sleep 0.05 & echo up"; exec sleep 600';
      const live = box.start([
        'run',
        '--rm',
        '--net',
        'none',
        '--name',
        'orphans',
        ...options,
        'base',
        'sh',
        '-c',
        script,
      ]);
      await live.until(/up/);
      const { Pid } = await state(box, 'orphans', ({ Running }) => Running);
      while (!wanted(childrenOf(Pid))) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await box.run(['kill', 'orphans'])).toMatchObject({ code: 0 });
      expect((await live.done).code).toBe(137);
    });

    it('stands in front, and shows nothing of the host', async () => {
      // It takes its name, and lets go of its last descriptor, when it has seen the program begin.
      const ready = '[ "$(cat /proc/1/comm)" = ts-dock-init ] && [ -z "$(ls /proc/1/fd)" ]';
      const { stdout } = await sh(
        ['--init'],
        `until ${ready}; do :; done; echo $$; tr -d "\\0" < /proc/1/cmdline; echo`,
      );
      expect(stdout).toBe('2\nts-dock-init\n');
    });

    it('passes signals on, so that a program without handlers can be stopped', async () => {
      const argv = ['run', '--net', 'none', '--name', 'plain', 'base', 'sleep', '600'];
      const [head = '', ...rest] = argv;
      const asked = box.start([head, '--init', ...rest]);
      await state(box, 'plain', ({ Running }) => Running);
      expect(await box.run(['stop', 'plain'])).toMatchObject({ code: 0 });
      expect((await asked.done).code).toBe(143);
      await box.run(['rm', 'plain']);
      // Positive control: as process 1 the same program never hears of it.
      const deaf = box.start(argv);
      await state(box, 'plain', ({ Running }) => Running);
      expect(await box.run(['kill', '-s', 'TERM', 'plain'])).toMatchObject({ code: 0 });
      expect(await box.run(['stop', '-t', '0', 'plain'])).toMatchObject({ code: 0 });
      expect((await deaf.done).code).toBe(137);
      await box.run(['rm', 'plain']);
    });

    it.each([
      ['exit 7', 7],
      ['kill -9 $$', 137],
      ['kill -TERM $$', 143],
      // The main program's end is the end, whoever else lives.
      ['sleep 600 & exit 4', 4],
    ])('ends as the program ends: %s', async (script, code) => {
      expect((await sh(['--init'], script)).code).toBe(code);
    });

    it.each([
      [['--init', 'base', 'no-such-program'], 127, 'not found'],
      [['--init', 'base', '/etc/passwd'], 126, '/etc/passwd'],
      [['--init', '--pids-limit', '1', 'base', 'true'], 125, '--init needs a process of its own'],
    ])('fails as without it: %j', async (args, code, words) => {
      const done = await box.run(['run', '--rm', '--net', 'none', ...args]);
      expect(done).toMatchObject({ code, stdout: '' });
      expect(done.stderr).toContain(words);
    });

    it('runs as the user and without descriptors of its own, also for the program', async () => {
      const { stdout } = await sh(
        ['--init', '-u', '4242'],
        'grep ^Uid /proc/1/status | cut -f2; ls /proc/self/fd | wc -l',
      );
      expect(stdout).toBe('4242\n4\n');
    });
  });

  describe('--oom-score-adj', () => {
    it('upwards', async () => {
      expect((await sh(['--oom-score-adj', '321'], 'cat /proc/self/oom_score_adj')).stdout).toBe('321\n');
    });

    it('downwards where the host lets it, and else with its reason', async () => {
      const done = await sh(['--oom-score-adj', '-321'], 'cat /proc/self/oom_score_adj');
      // CAP_SYS_RESOURCE is bit 24.
      const held = BigInt(
        `0x${/CapEff:\s+(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
      );
      if ((held >> 24n) % 2n === 1n) expect(done).toMatchObject({ code: 0, stdout: '-321\n' });
      else {
        expect(done).toMatchObject({ code: 125, stdout: '' });
        expect(done.stderr).toContain('needs CAP_SYS_RESOURCE, which this host does not give');
      }
    });

    it.each(['1001', '-1001', 'high'])('not %s', async (score) => {
      const done = await sh([`--oom-score-adj=${score}`], 'true');
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(done.stderr).toContain('--oom-score-adj');
    });
  });

  describe('--sig-proxy', () => {
    it('=false keeps signals away from the program', async () => {
      const { live, program } = await running(box, 'kept', ['--rm', '--sig-proxy=false']);
      await program.say("trap 'exit 9' TERM INT");
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM', 'SIGTERM'] as const) live.child.kill(signal);
      expect((await program.say('echo alive')).output).toBe('alive\n');
      program.end(3);
      expect((await live.done).code).toBe(3);
    });

    it('is on by itself', async () => {
      const { live, program } = await running(box, 'passed', ['--rm']);
      await program.say("trap 'exit 9' TERM");
      live.child.kill('SIGTERM');
      expect((await live.done).code).toBe(9);
    });

    it('is true or false', async () => {
      const done = await box.run(['run', '--sig-proxy=maybe', 'base', 'true']);
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(done.stderr).toContain('to be true or false, got "maybe"');
    });
  });

  describe('--cidfile', () => {
    const path = (name: string): string => join(box.folder, name);

    it('has the id, from create and from run, while it runs', async () => {
      const id = (await box.run(['create', '--cidfile', path('made'), 'base', 'true'])).stdout.trim();
      expect(readFileSync(path('made'), 'utf8')).toBe(id);
      const { live, program } = await running(box, 'named', ['--rm', '--cidfile', path('run')]);
      expect(readFileSync(path('run'), 'utf8')).toBe(stored(box, 'named')?.ID);
      program.end();
      await live.done;
      expect(existsSync(path('run'))).toBe(true);
    });

    it('is refused where there is one, and the file is left as it is', async () => {
      writeFileSync(path('taken'), 'something');
      symlinkSync(path('elsewhere'), path('link'));
      const before = (await box.run(['ps', '-aq'])).stdout;
      for (const [file, words] of [
        ['taken', 'Container ID file found'],
        ['link', 'Container ID file found'],
        ['no/such/folder', 'ENOENT'],
      ] as const) {
        const done = await box.run(['create', '--cidfile', path(file), 'base', 'true']);
        expect(done).toMatchObject({ code: 125, stdout: '' });
        expect(done.stderr).toContain(words);
      }
      expect(readFileSync(path('taken'), 'utf8')).toBe('something');
      expect(existsSync(path('elsewhere'))).toBe(false);
      expect((await box.run(['ps', '-aq'])).stdout).toBe(before);
    });

    it.each(['create.rw-layer', 'create.register:after'])(
      'is gone when the create fails at %s',
      async (step) => {
        const done = await box.run([
          'run',
          '--rm',
          '--cidfile',
          path('gone'),
          '--fail',
          `${step}=error`,
          'base',
          'true',
        ]);
        expect(done).toMatchObject({ code: 125 });
        expect(existsSync(path('gone'))).toBe(false);
      },
    );
  });
});
