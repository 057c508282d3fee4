/**
 * The same containers where there is cgroup v2 alone: one boot of the machine of scripts/v2-machine.mjs walks all cases
 * (session.mjs), each test judges one. It keeps both processors busy, so, as a test with rig/sandbox, it runs alone.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { launch } from '../rig/sandbox.ts';
import { skipUnless, skipUnlessProgram } from '../rig/skip.ts';

const checkout = join(import.meta.dirname, '../..');
const SECONDS = 240;

interface Look {
  readonly group: string;
  readonly files: Readonly<Record<string, string>>;
  /** The first member's own /proc/PID/cgroup. */
  readonly proc: string;
}

interface Said {
  readonly args: readonly string[];
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Case {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Groups of containers that are there afterwards. */
  readonly left: readonly string[];
  readonly seen?: readonly Look[];
  readonly before?: readonly Look[];
  readonly said?: readonly Said[];
  readonly frozen?: readonly string[];
}

const script = join(checkout, 'scripts/v2-machine.mjs');
const isPrepared = spawnSync(process.execPath, [script, 'ready']).status === 0;
const lacking =
  skipUnless('the cgroup v2 machine needs an x64 host', process.arch === 'x64', 'machine') ||
  skipUnless('the cgroup v2 machine is not prepared (node scripts/v2-machine.mjs prepare)', isPrepared) ||
  skipUnlessProgram('qemu-system-x86_64');

describe.skipIf(lacking)('with cgroup v2 alone', () => {
  let cases: Readonly<Record<string, Case>>;

  beforeAll(
    async () => {
      const session = join(import.meta.dirname, 'session.mjs');
      const { code, stdout, stderr } = await launch(
        process.execPath,
        [script, 'run', '--', process.execPath, session],
        { timeout: (SECONDS + 10) * 1000, env: { TS_DOCK_V2_SECONDS: SECONDS.toString() } },
      ).done;
      if (code !== 0) throw new Error(`the session ended with ${code ?? 'a signal'}: ${stdout}${stderr}`);
      cases = JSON.parse(stdout) as typeof cases;
    },
    (SECONDS + 20) * 1000,
  );

  const one = (name: string): Case => {
    const found = cases[name];
    if (found === undefined || !('left' in found)) throw new Error(`${name}: ${JSON.stringify(found)}`);
    return found;
  };

  test('a container runs, in a group of its own', () => {
    expect(one('first').code).toBe(0);
    expect(one('first').stdout).toMatch(/^0::\/ts-dock-[0-9a-f]{8}\/[0-9a-f]{64}\n$/);
  });

  test('the kernel has the limits that were asked for', () => {
    const [look] = one('limits').seen ?? [];
    expect(look?.files).toMatchObject({
      'memory.max': (64 << 20).toString(),
      'memory.swap.max': (32 << 20).toString(),
      'cpu.weight': '20',
      'cpu.max': '50000 100000',
      'cpuset.cpus': '1',
      'cpuset.cpus.effective': '1',
      'pids.max': '20',
    });
    expect(look?.files['io.max']).toMatch(/^\d+:0 .*riops=10 wiops=20$/);
  });

  test('the process is where the kernel says its limits are', () => {
    const [look] = one('limits').seen ?? [];
    expect(look?.proc).toBe(`0::${look?.group.slice('/sys/fs/cgroup'.length) ?? ''}`);
    expect(one('limits').code).toBe(3);
  });

  test('who takes more memory than the limit is killed: 137', () => {
    expect(one('memory').code).toBe(137);
  });

  test('who makes more processes than the limit is refused', () => {
    expect(one('pids').stderr).toContain("can't fork");
    expect(one('pids').stdout).not.toContain('all');
    expect(one('pids').code).toBeGreaterThan(0);
  });

  test('a processor that is not there is an error that names the option and the file', () => {
    expect(one('cpuset').code).toBe(125);
    expect(one('cpuset').stderr).toMatch(/--cpuset-cpus cannot be set: "17" to .*cpuset\.cpus/);
  });

  test('a rate for what is no block device is an error', () => {
    expect(one('io').code).toBe(125);
    expect(one('io').stderr).toMatch(/--device-read-iops cannot be set: .*not a block device/);
  });

  test('exit codes are the program’s own', () => {
    expect([one('code').code, one('killed').code, one('missing').code]).toEqual([42, 137, 127]);
  });

  test('a detached container is joined, stopped and shown, and leaves no group', () => {
    const { said = [], seen, left } = one('detached');
    const of = (word: string): (typeof said)[number] | undefined => said.find(({ args }) => args[0] === word);
    expect(said.map(({ code }) => code)).toEqual(said.map(() => 0));
    // In the group of the container that it joined.
    expect(of('exec')?.stdout.trim()).toBe(seen?.[0]?.proc);
    expect(seen).toHaveLength(1);
    expect(of('logs')?.stdout).toBe('up\n');
    expect(of('ps')?.stdout).toMatch(/Exited \(7\).* detached/);
    expect(left).toEqual([]);
  });

  test('when the supervisor is killed, recovery ends the container by its group', () => {
    expect(one('recovery').before).toHaveLength(1);
    expect(one('recovery').stdout).toContain('kill and remove cgroup');
    expect(one('recovery').left).toEqual([]);
  });

  const said = (...words: readonly string[]): Said => {
    const found = one('life').said?.find(({ args }) => words.every((word) => args.includes(word)));
    if (found === undefined)
      throw new Error(`nobody said ${words.join(' ')}: ${JSON.stringify(one('life'))}`);
    return found;
  };

  test('a container is measured', () => {
    const [usage] = JSON.parse(said('stats').stdout) as Record<string, number>[];
    expect(usage).toMatchObject({ memoryLimit: 64 << 20, pids: 3 });
    expect(usage?.['memory']).toBeGreaterThan(8 << 20);
  });

  test('its limits are changed, all or none, and nobody is killed for it', () => {
    expect(said('update', '0.25')).toMatchObject({ code: 0, stdout: 'life\n', stderr: '' });
    expect(said('update', '17').code).toBe(1);
    expect(said('update', '17').stderr).toMatch(/--cpuset-cpus cannot be set: "17"/);
    expect(said('update', '4m').code).toBe(1);
    expect(said('update', '4m').stderr).toContain('it uses more than that');
    expect(one('life').seen?.[0]?.files).toMatchObject({
      'memory.max': (32 << 20).toString(),
      'memory.swap.max': (32 << 20).toString(),
      'cpu.max': '25000 100000',
      'pids.max': '9',
    });
  });

  test('it is paused until the kernel says that it stands still, and stopped all the same', () => {
    expect(said('pause')).toMatchObject({ code: 0, stdout: 'life\n', stderr: '' });
    expect(one('life').frozen).toEqual([expect.stringMatching(/^frozen 1$/m)]);
    expect(said('stop')).toMatchObject({ code: 0, stdout: 'life\n' });
    expect(said('stop').stderr).toContain('life was paused: it goes on');
    expect(one('life').code).toBe(5);
  });

  test('it has a process 1 in front, and a score for the out-of-memory killer', () => {
    expect(one('life').stdout).toBe('2 300 up\n');
  });

  test('a container has its address on the bridge', () => {
    expect(one('bridge').code).toBe(0);
    expect(one('bridge').stdout).toContain('inet 172.17.0.2/16');
  });

  test('its bridge has NAT, also with this kernel', () => {
    expect(one('bridge').stderr).not.toContain('no NAT');
  });

  test('ts-dock says which version it met', () => {
    expect(one('facts').stderr).toMatch(/kernelFacts.*(v2|version 2)/s);
  });

  test('no group is left after any of them, and no parent after `host down`', () => {
    for (const [name, { left }] of Object.entries(cases)) expect([name, left]).toEqual([name, []]);
  });
});
