/**
 * cgroups on this kernel, whichever version it has: limits as the kernel reads them back, and an end that leaves nobody.
 * walk.ts takes rig/census of the whole host, so nothing else may run beside it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  hierarchies,
  joinFiles,
  makeGroup,
  makeParent,
  removeCgroup,
  removeCgroupParent,
  setLimits,
  verifyJoined,
} from '../../src/daemon/cgroups.ts';
import { freeze, isFrozen, thaw } from '../../src/daemon/freezer.ts';
import type { Handshake } from '../../src/daemon/handshake.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import type { Command, Resources } from '../../src/flows/values.ts';
import { KernelError } from '../../src/kernel/calls.ts';
import { NO_RESOURCES } from '../../src/daemon/resources.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { cgroupParent } from '../../src/steps/0-host/050-cgroup-parent.ts';
import { cgroups } from '../../src/steps/3-launch/050-cgroups.ts';
import { skipUnless, skipUnlessRoot } from '../rig/skip.ts';
import { freshWalk, type Walk } from './walk.ts';

const sys = new Kernel();
const { version } = hierarchies(sys);
const ID = 'c'.repeat(64);

/** Walks both steps; what dockerinit would be told to join by. */
async function group(
  asked: Partial<Resources>,
): Promise<{ walk: Walk; paths: Record<string, string>; files: string[] }> {
  const walk = freshWalk();
  const files: string[] = [];
  const handshake = { sendJoin: (told: string[]) => files.push(...told) } as unknown as Handshake;
  const command = { id: ID, resources: { ...NO_RESOURCES, ...asked } } as Command;
  const parent = await walk.step(cgroupParent);
  const child = { pid: 0, pidfd: -1 };
  const { cgroupPaths } = await walk.step(cgroups, { child, handshake, command, ...parent });
  return { walk, paths: { ...cgroupPaths }, files };
}

/** A shell that has joined the group before it does anything else. */
async function member(files: readonly string[], script: string): Promise<ChildProcess> {
  const joins = files.map((file) => `echo 0 > ${file}`).join(' && ');
  const child = spawn('sh', ['-c', `${joins} && echo in && { ${script}; }`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as unknown[];
  if (!(said instanceof Buffer)) throw new Error(`it could not join ${files.join(' ')}`);
  // Whatever it forks inherits its output: nobody here may wait for that.
  child.stdout.destroy();
  return child;
}

async function failure(act: () => unknown): Promise<TsDockError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

const disk = readFileSync('/proc/partitions', 'utf8')
  .split('\n')
  .map((line) => line.trim().split(/\s+/))
  .find(([, , size, name]) => Number(size) > 0 && name !== undefined && existsSync(`/sys/block/${name}`));

describe.skipIf(skipUnlessRoot() || skipUnless('no cgroups are mounted', version !== 'none', 'machine'))(
  'a group',
  () => {
    test('without limits is made in every hierarchy, and gone at the end with its parent', async () => {
      const { walk, paths } = await group({});
      expect(new Set(Object.values(paths)).size).toBe(hierarchies(sys).list.length);
      for (const path of Object.values(paths)) expect(existsSync(path)).toBe(true);
      expect(await walk.back()).toEqual([]);
      for (const path of Object.values(paths)) expect(existsSync(dirname(path))).toBe(false);
    });

    test.skipIf(version !== 'v1')('has the limits that were asked for, as v1 reads them back', async () => {
      const [major = '', minor = '', , name = ''] = disk ?? [];
      const { paths } = await group({
        memory: 64 << 20,
        memorySwap: 96 << 20,
        cpuShares: 256,
        nanoCpus: 5e8,
        cpuset: '0',
        pids: 17,
        readIops: [{ device: `/dev/${name}`, rate: 100 }],
        writeIops: [{ device: `/dev/${name}`, rate: 200 }],
      });
      const read = (controller: string, file: string): string =>
        readFileSync(join(paths[controller]!, file), 'utf8').trim();
      expect(read('memory', 'memory.limit_in_bytes')).toBe((64 << 20).toString());
      expect(read('memory', 'memory.memsw.limit_in_bytes')).toBe((96 << 20).toString());
      expect(read('cpu', 'cpu.shares')).toBe('256');
      expect(read('cpu', 'cpu.cfs_quota_us')).toBe('50000');
      expect(read('cpuset', 'cpuset.cpus')).toBe('0');
      expect(read('cpuset', 'cpuset.mems')).toBe('0');
      expect(read('pids', 'pids.max')).toBe('17');
      expect(read('blkio', 'blkio.throttle.read_iops_device')).toBe(`${major}:${minor} 100`);
      expect(read('blkio', 'blkio.throttle.write_iops_device')).toBe(`${major}:${minor} 200`);
      expect(read('devices', 'devices.list').split('\n')).toContain('c 1:3 rwm');
      expect(read('devices', 'devices.list').split('\n')).not.toContain('a *:* rwm');
    });

    test.each<[string, Partial<Resources>, RegExp]>([
      ['--cpuset-cpus', { cpuset: '4096' }, /cpuset\.cpus.*(EINVAL|ERANGE|EACCES)/],
      ['--cpus', { nanoCpus: 1000 }, /EINVAL/],
      ['--device-read-iops', { readIops: [{ device: '/dev/null', rate: 1 }] }, /not a block device/],
      ['--device-write-iops', { writeIops: [{ device: '/dev/no-such', rate: 1 }] }, /no such device/],
      ['--memory-swap', { memory: 64 << 20, memorySwap: 1 << 20 }, /EINVAL|memory/],
    ])('is refused with %s when the kernel refuses it', async (option, asked, why) => {
      const error = await failure(() => group(asked));
      expect(error.reason).toBe('limit');
      expect(error.message.startsWith(`${option} cannot be set`)).toBe(true);
      expect(error.message).toMatch(why);
    });

    test('that needs a file which this kernel lacks says which', async () => {
      const error = await failure(() => {
        const here = mkdirless();
        setLimits(sys, here, { ...NO_RESOURCES, pids: 5 });
      });
      expect(error.reason).toBe('limit');
      expect(error.message).toMatch(/--pids-limit.*pids\.max.*no such file/);
    });

    /** A controller’s folder without its files. */
    function mkdirless(): Record<string, string> {
      const { list } = hierarchies(sys);
      const other = list.find(({ controllers }) => !controllers.includes('pids'));
      return version === 'v1' ? { pids: other?.mount ?? '/' } : { unified: list[0]?.mount ?? '/' };
    }

    test('is joined by a process that the kernel then reports there', async () => {
      const { paths, files } = await group({});
      expect(files).toEqual(joinFiles(paths));
      const child = await member(files, 'sleep 60');
      expect(() => {
        verifyJoined(sys, child.pid!, paths);
      }).not.toThrow();
      const error = await failure(() => {
        verifyJoined(sys, process.pid, paths);
      });
      expect(error.reason).toBe('handshake');
      expect(error.message).toContain(`process ${process.pid} is not in its`);
    });

    test('holds the number of processes', async () => {
      const { files, paths } = await group({ pids: 3 });
      const child = await member(files, 'sleep 60 & sleep 60 & sleep 60 & wait');
      // dash ends when it cannot fork.
      if (child.exitCode === null) await once(child, 'exit');
      expect(child.exitCode).toBeGreaterThan(0);
      const folder = paths['pids'] ?? paths['unified']!;
      expect(readFileSync(join(folder, 'pids.events'), 'utf8')).toMatch(/^max [1-9]/);
      expect(readFileSync(join(folder, 'pids.max'), 'utf8')).toBe('3\n');
    });

    test('is removed with all that live in it, those that resist and fork included', async () => {
      const { walk, files, paths } = await group({ pids: 60 });
      // Finite by itself: were the group ever missing, no fork bomb may reach the machine.
      const tree =
        'grow() { [ $1 -eq 0 ] || { grow $(($1 - 1)) & grow $(($1 - 1)) & }; wait; sleep 60; }; grow 4';
      const births = '{ n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); sleep 0; done; } &';
      const child = await member(files, `trap '' TERM INT HUP; ${births} ${tree}`);
      await removeCgroup(sys, walk.place.cgroupParent, ID);
      for (const path of Object.values(paths)) expect(existsSync(path)).toBe(false);
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect(child.signalCode).toBe('SIGKILL');
    }, 30_000);

    test('is removed also when it is frozen, where a signal alone ends nobody', async () => {
      const { walk, paths, files } = await group({});
      const child = await member(files, 'sleep 60');
      await freeze(sys, walk.place.cgroupParent, ID);
      expect(isFrozen(sys, walk.place.cgroupParent, ID)).toBe(true);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (version === 'v1') {
        // Positive control: on v1 a frozen process does not even die. Its own state in the kernel says so, no clock.
        child.kill('SIGKILL');
        expect(readFileSync(`/proc/${child.pid!}/status`, 'utf8')).toMatch(
          /^ShdPnd:\s+0*100$|^SigPnd:\s+0*100$/m,
        );
        expect(readFileSync(`/proc/${child.pid!}/stat`, 'utf8')).not.toContain(') Z');
      }
      await removeCgroup(sys, walk.place.cgroupParent, ID);
      await ended;
      expect(child.signalCode).toBe('SIGKILL');
      for (const path of Object.values(paths)) expect(existsSync(path)).toBe(false);
    });

    test('is frozen and thawed as often as one likes, with those that are born meanwhile', async () => {
      const { walk, files } = await group({ pids: 60 });
      const { cgroupParent: parent } = walk.place;
      const child = await member(files, 'while :; do sleep 0 & wait; done');
      const running = (): boolean => / [RSD] /.test(readFileSync(`/proc/${child.pid!}/stat`, 'utf8'));
      expect(thaw(sys, parent, ID)).toBe(false);
      for (let round = 0; round < 5; round++) {
        await freeze(sys, parent, ID);
        expect(isFrozen(sys, parent, ID)).toBe(true);
        const times = readFileSync(`/proc/${child.pid!}/schedstat`, 'utf8');
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect(readFileSync(`/proc/${child.pid!}/schedstat`, 'utf8')).toBe(times);
        expect(thaw(sys, parent, ID)).toBe(true);
        expect(isFrozen(sys, parent, ID)).toBe(false);
      }
      expect(running()).toBe(true);
      await removeCgroup(sys, parent, ID);
    });

    test('that is gone can neither be frozen nor thawed', async () => {
      const { walk } = await group({});
      const { cgroupParent: parent } = walk.place;
      expect(thaw(sys, parent, 'no-such')).toBe(false);
      expect(isFrozen(sys, parent, 'no-such')).toBe(false);
      const error = await failure(() => freeze(sys, parent, 'no-such'));
      expect([error.reason, error.message]).toEqual(['not-running', 'cannot pause it: it has just ended']);
    });

    test('is removed with groups beneath it', async () => {
      const { walk, paths, files } = await group({});
      const [path] = Object.values(paths);
      mkdirSync(join(path!, 'inner/most'), { recursive: true });
      const inner = [join(path!, 'inner/most', files[0]!.split('/').at(-1)!)];
      const child = await member(inner, 'sleep 60');
      await removeCgroup(sys, walk.place.cgroupParent, ID);
      expect(existsSync(path!)).toBe(false);
      if (child.signalCode === null) await once(child, 'exit');
    });

    test('that is not there is removed already; a parent in use stays', async () => {
      const { walk, paths } = await group({});
      const { cgroupParent: parent } = walk.place;
      await removeCgroup(sys, parent, 'no-such');
      removeCgroupParent(sys, parent);
      for (const path of Object.values(paths)) expect(existsSync(path)).toBe(true);
      await removeCgroup(sys, parent, ID);
      removeCgroupParent(sys, parent);
      removeCgroupParent(sys, parent);
      for (const path of Object.values(paths)) expect(existsSync(dirname(path))).toBe(false);
    });

    test('that may not be made anywhere is left out, and is missed only by who asks for a limit', async () => {
      /** As inside a container where the hierarchies are mounted read-only. */
      class ReadOnly extends Kernel {
        override ensureDir(path: string): boolean {
          throw new KernelError('mkdir', [path], 'EROFS');
        }
      }
      const guest = new ReadOnly();
      expect(makeParent(guest, 'ts-dock-none').refused).toHaveLength(hierarchies(sys).list.length);
      const paths = makeGroup(guest, 'ts-dock-none', ID);
      expect([paths, joinFiles(paths), setLimits(sys, paths, NO_RESOURCES).length]).toEqual([
        {},
        [],
        expect.any(Number),
      ]);
      const error = await failure(() => setLimits(sys, paths, { ...NO_RESOURCES, pids: 5 }));
      expect(error.reason).toBe('limit');
      expect(error.message).toMatch(/--pids-limit.*there is no pids hierarchy/);
    });

    test('is the same when it is made twice', async () => {
      const { walk, paths } = await group({ pids: 9 });
      expect(makeGroup(sys, walk.place.cgroupParent, ID)).toEqual(paths);
      expect(makeParent(sys, walk.place.cgroupParent).made).toEqual([]);
    });
  },
);
