/** `update`, `stats`, `events`, `ps` filters: what is said and what the kernel then holds to. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupPaths, hierarchies } from '../../src/daemon/cgroups.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnless, skipUnlessRoot } from '../rig/skip.ts';
import { running, stored, type Running, type SeenEvent } from './rig.ts';

const sys = new Kernel();
const v1 = hierarchies(sys).version === 'v1';
const MIB = 1024 * 1024;

describe.skipIf(skipUnlessRoot())('a container with limits', () => {
  let box: Sandbox;
  let one: Running;
  let began = 0;
  beforeAll(async () => {
    began = Date.now();
    box = await sandbox({ manual: true });
    one = await running(box, 'limited', ['-m', '64m', '--pids-limit', '20']);
    await box.run(['create', '--name', 'idle', 'base', 'true']);
  });
  afterAll(async () => {
    one.program.end();
    await one.live.done;
    await box.dispose();
  });

  const read = (controller: string, file: string): string => {
    const paths = groupPaths(sys, placeOf(box.root).cgroupParent, stored(box, 'limited')!.ID);
    return readFileSync(join(paths[v1 ? controller : 'unified']!, file), 'utf8').trim();
  };
  const memory = (): string => read('memory', v1 ? 'memory.limit_in_bytes' : 'memory.max');
  const hostConfig = (name: string): Record<string, unknown> =>
    JSON.parse(
      readFileSync(join(box.root, 'containers', stored(box, name)!.ID, 'hostconfig.json'), 'utf8'),
    ) as Record<string, unknown>;

  describe('has others by update', () => {
    it.each([
      // Upwards the sum has to go first, downwards memory: on v1 the kernel refuses each other order.
      ['upwards', ['-m', '256m'], 256, 512],
      ['downwards', ['-m', '32m'], 32, 64],
      ['with its own sum', ['-m', '128m', '--memory-swap', '160m'], 128, 160],
    ])('%s', async (_, options, limit, sum) => {
      expect(await box.run(['update', ...options, 'limited'])).toMatchObject({
        code: 0,
        stdout: 'limited\n',
        stderr: '',
      });
      expect(memory()).toBe((limit * MIB).toString());
      if (v1) expect(read('memory', 'memory.memsw.limit_in_bytes')).toBe((sum * MIB).toString());
      expect(stored(box, 'limited')?.Config.Memory).toBe(limit * MIB);
    });

    it('of every kind, and takes some away', async () => {
      expect(
        await box.run([
          'update',
          '--cpus',
          '0.5',
          '-c',
          '512',
          '--cpuset-cpus',
          '0',
          '--pids-limit',
          '7',
          'limited',
        ]),
      ).toMatchObject({ code: 0, stderr: '' });
      expect(read('pids', 'pids.max')).toBe('7');
      expect(read('cpuset', 'cpuset.cpus')).toBe('0');
      expect(v1 ? read('cpu', 'cpu.cfs_quota_us') : read('cpu', 'cpu.max')).toMatch(/^50000/);
      expect(hostConfig('limited')).toMatchObject({ PidsLimit: 7, NanoCpus: 5e8 });
      expect(
        await box.run(['update', '--cpus', '0', '--pids-limit', '-1', '--memory-swap', '-1', 'limited']),
      ).toMatchObject({ code: 0, stderr: '' });
      expect(read('pids', 'pids.max')).toBe('max');
      expect(v1 ? read('cpu', 'cpu.cfs_quota_us') : read('cpu', 'cpu.max')).toMatch(/^(-1|max 100000)$/);
      expect(hostConfig('limited')).toMatchObject({ PidsLimit: 0, NanoCpus: 0 });
    });

    it.each([
      [['--pids-limit', '9', '--cpuset-cpus', '4000'], 1, '--cpuset-cpus cannot be set: "4000"'],
      [['-m', '100m', '--memory-swap', '50m'], 1, 'would be above that of memory and swap together'],
      [['-m', '4k'], 1, 'Minimum memory limit allowed is 512k'],
      [['--device-read-iops', '/dev/null:5', '--pids-limit', '9'], 1, 'it is not a block device'],
      [[], 125, 'expected at least one limit'],
      [['-c', 'many'], 125, '--cpu-shares'],
    ])('or none of them: %j', async (options, code, words) => {
      const before = [
        memory(),
        read('pids', 'pids.max'),
        read('cpuset', 'cpuset.cpus'),
        hostConfig('limited'),
      ];
      const done = await box.run(['update', ...options, 'limited']);
      expect(done).toMatchObject({ code, stdout: '' });
      expect(done.stderr).toContain(words);
      expect([
        memory(),
        read('pids', 'pids.max'),
        read('cpuset', 'cpuset.cpus'),
        hostConfig('limited'),
      ]).toEqual(before);
    });

    it('is put back in the kernel when a later one is refused', async () => {
      // Positive control: alone, the first one is taken.
      expect(await box.run(['update', '-c', '700', 'limited'])).toMatchObject({ code: 0 });
      const shares = v1 ? 'cpu.shares' : 'cpu.weight';
      const before = read('cpu', shares);
      expect(await box.run(['update', '-c', '300', '--cpuset-cpus', '4000', 'limited'])).toMatchObject({
        code: 1,
      });
      expect(read('cpu', shares)).toBe(before);
      expect(stored(box, 'limited')?.Config.CpuShares).toBe(700);
    });

    it('is refused where more is in use, and nobody is killed for it', async () => {
      await one.program.say('dd if=/dev/zero of=/dev/shm/ballast bs=1M count=24 2>/dev/null');
      const done = await box.run(['update', '-m', '8m', '--memory-swap', '8m', 'limited']);
      expect(done).toMatchObject({ code: 1, stdout: '' });
      expect(done.stderr).toContain('it uses more than that');
      expect(memory()).toBe((128 * MIB).toString());
      expect((await one.program.say('rm /dev/shm/ballast; echo alive')).output).toBe('alive\n');
    });

    it('holds at the next start of one that does not run', async () => {
      expect(await box.run(['update', '--pids-limit', '11', 'idle', 'nobody'])).toMatchObject({
        code: 1,
        stdout: 'idle\n',
      });
      expect(hostConfig('idle')).toMatchObject({ PidsLimit: 11 });
    });
  });

  describe('is measured by stats', () => {
    it('once, in a table or as JSON', async () => {
      const table = await box.run(['stats', '--no-stream']);
      expect(table.code).toBe(0);
      expect(table.stdout).toMatch(/CPU % +MEM USAGE \/ LIMIT/);
      expect(table.stdout).toMatch(/limited +\d+\.\d\d% +\S+ k?M?B \/ 134\.2 MB +\d+\.\d\d% +- /);
      expect(table.stdout).not.toContain('\u001b');
      const [json] = JSON.parse(
        (await box.run(['stats', '--no-stream', '--json', 'limited'])).stdout,
      ) as Record<string, unknown>[];
      expect(json).toMatchObject({ name: 'limited', memoryLimit: 128 * MIB, pids: 1, network: null });
    });

    it('again and again, with what it uses meanwhile', async () => {
      await one.program.say('yes > /dev/null & hog=$!');
      const live = box.start(['stats', '--json', 'limited']);
      const [, first = ''] = await live.until(/^(\[.*\])\n\[.*\]\n/);
      const [usage] = JSON.parse(first) as { cpu: number; pids: number }[];
      // Two CPUs that others use too: some of one is all that can be expected.
      expect(usage?.cpu).toBeGreaterThan(5);
      expect(usage?.pids).toBe(2);
      await one.program.say('kill $hog; wait $hog 2>/dev/null; true');
      live.child.kill('SIGINT');
      await live.done;
    });

    it('and not when it does not run', async () => {
      const done = await box.run(['stats', '--no-stream', 'idle']);
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(done.stderr).toContain('cannot measure idle: it is not running');
    });
  });

  describe('is told of by events', () => {
    const past = async (...options: string[]): Promise<SeenEvent[]> => {
      const done = await box.run(['events', '--until', '0s', '--json', ...options]);
      expect(done).toMatchObject({ code: 0, stderr: '' });
      return done.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as SeenEvent);
    };

    it('of the past, as far back as is asked, and those that fit', async () => {
      const all = await past('--since', (began / 1000).toString());
      expect(all.slice(0, 4).map(({ action, name }) => `${action} ${name}`)).toEqual([
        'create limited',
        'attach limited',
        'start limited',
        'create idle',
      ]);
      expect((await past('--since', '1h', '-f', 'event=create')).map(({ name }) => name)).toEqual([
        'limited',
        'idle',
      ]);
      const both = ['-f', 'event=create', '-f', 'event=start', '-f', `container=${all[0]!.id.slice(0, 9)}`];
      expect((await past('--since', '1h', ...both)).map(({ action }) => action)).toEqual(['create', 'start']);
      expect(await past('--since', '1h', '-f', 'image=other')).toEqual([]);
      expect(await past('--since', '0s')).toEqual([]);
    });

    it('as they happen, until the time is over, also when the file is full', async () => {
      const live = box.start(['events', '--filter', 'event=pause', '--filter', 'event=unpause']);
      await watching(live.pid);
      expect(await box.run(['pause', 'limited'])).toMatchObject({ code: 0 });
      await live.until(/container pause [0-9a-f]{64} \(image=base, name=limited\)\n/);
      const file = join(box.root, 'events.jsonl');
      writeFileSync(file, `${'x'.repeat(1024 * 1024)}\n`, { flag: 'a' });
      // This one finds the file full and begins a new one.
      expect(await box.run(['unpause', 'limited'])).toMatchObject({ code: 0 });
      await live.until(/container unpause/);
      expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
      expect(readFileSync(`${file}.1`, 'utf8')).toContain('"action":"pause"');
      live.child.kill('SIGINT');
      expect((await live.done).stdout.match(/ pause /g)).toHaveLength(1);
      // What was kept is told in order, over both files.
      expect(
        (await past('--since', '1h', '-f', 'event=pause', '-f', 'event=unpause')).map((e) => e.action),
      ).toEqual(['pause', 'unpause']);
    });

    it('and ends by itself with --until', async () => {
      const done = await box.run(['events', '--until', ((Date.now() + 300) / 1000).toString()]);
      expect(done).toMatchObject({ code: 0, stdout: '', stderr: '' });
    });

    async function watching(pid: number): Promise<void> {
      const inotify = (fd: number): boolean => {
        try {
          return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').includes('inotify wd');
        } catch {
          return false;
        }
      };
      while (!Array.from({ length: 40 }, (_, fd) => fd).some(inotify))
        await new Promise((resolve) => setTimeout(resolve, 5));
    }

    it.each([
      [['--since', 'yesterday'], '--since'],
      [['--until', '-5'], '--until'],
      [['--filter', 'label=x'], 'KEY is one of event, container, image'],
      [['--filter', 'event=birth'], 'there is no event "birth"'],
    ])('but not %j', async (options, words) => {
      const done = await box.run(['events', ...options]);
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(done.stderr).toContain(words);
    });
  });

  describe('is found by ps', () => {
    const names = async (...options: string[]): Promise<string[]> => {
      const done = await box.run(['ps', '--json', ...options]);
      expect(done).toMatchObject({ code: 0, stderr: '' });
      return (JSON.parse(done.stdout) as { Name: string }[]).map(({ Name }) => Name);
    };
    beforeAll(async () => {
      expect(
        await box.run(['run', '--name', 'third', '--net', 'none', 'base', 'sh', '-c', 'exit 3']),
      ).toMatchObject({
        code: 3,
      });
    });

    it.each([
      [[], ['limited']],
      [['-a'], ['third', 'idle', 'limited']],
      [['-f', 'status=created'], ['idle']],
      [
        ['-f', 'status=created', '-f', 'status=exited'],
        ['third', 'idle'],
      ],
      [['-f', 'status=paused'], []],
      [['-f', 'exited=3'], ['third']],
      [['-f', 'exited=4'], []],
      [['-f', 'name=i'], ['limited']],
      [
        ['-a', '-f', 'name=i'],
        ['third', 'idle', 'limited'],
      ],
      [['-a', '-f', 'name=idl'], ['idle']],
      [
        ['-f', 'before=third'],
        ['idle', 'limited'],
      ],
      [
        ['-f', 'since=limited'],
        ['third', 'idle'],
      ],
      [['-a', '-f', 'ancestor=base', '-f', 'name=third'], ['third']],
      [['-l'], ['third']],
      [
        ['-n', '2'],
        ['third', 'idle'],
      ],
    ])('%j', async (options, wanted) => {
      expect(await names(...options)).toEqual(wanted);
    });

    it('by its id, and paused', async () => {
      const { ID } = stored(box, 'limited')!;
      expect(await names('-f', `id=${ID.slice(0, 10)}`)).toEqual(['limited']);
      await box.run(['pause', 'limited']);
      expect(await names('-f', 'status=paused')).toEqual(['limited']);
      await box.run(['unpause', 'limited']);
    });

    it.each([
      [['-f', 'label=x'], 'KEY is one of status, name, id, ancestor, exited, before, since'],
      [['-f', 'status=happy'], 'there is no status "happy"'],
      [['-f', 'exited=x'], 'exited='],
      [['-f', 'since=nobody'], 'No such container: nobody'],
      [['-f', 'ancestor=nothing'], 'nothing'],
      [['-n', '0'], '--last'],
    ])('but not by %j', async (options, words) => {
      const done = await box.run(['ps', ...options]);
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(done.stderr).toContain(words);
    });
  });

  it.skipIf(skipUnless('no out-of-memory counter on this kernel', oomCounted(), 'machine'))(
    'is written down as killed for want of memory',
    async () => {
      const done = await box.run([
        'run',
        '--name',
        'greedy',
        '--net',
        'none',
        '-m',
        '8m',
        '--memory-swap',
        '8m',
        'base',
        'tail',
        '/dev/zero',
      ]);
      expect(done.code).toBe(137);
      expect(stored(box, 'greedy')?.State).toMatchObject({ OOMKilled: true, ExitCode: 137 });
      const events = await box.run([
        'events',
        '--since',
        '1h',
        '--until',
        '0s',
        '-f',
        'container=greedy',
        '-f',
        'event=oom',
      ]);
      expect(events.stdout).toContain(' container oom ');
    },
  );
});

/** Kernels count what they kill since 4.13 (v1: memory.oom_control). */
function oomCounted(): boolean {
  const mount = hierarchies(sys).list.find(({ controllers }) => controllers.includes('memory'))?.mount;
  return (
    !v1 ||
    (mount !== undefined && readFileSync(join(mount, 'memory.oom_control'), 'utf8').includes('oom_kill '))
  );
}
