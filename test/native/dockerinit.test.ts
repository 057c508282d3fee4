/**
 * dockerinit, the real one, against a daemon played by the test: the way through, every way in which the daemon can fail
 * it, and the hostile images. A refusal is asserted by its reason: step, errno, sentence.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BindMount } from '../../src/daemon/init-config.ts';
import { binding, buildFolder } from '../../src/kernel/binding.ts';
import { skipUnless, skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { baseConfig, Driver, NEWNET, type Frame, type Start } from './dockerinit-driver.ts';
import { file, link, makeImage, removeImage, witness, type Image } from './dockerinit-rootfs.ts';

const { errno } = constants;
const { ENOENT, EACCES, EINVAL, ENOTDIR, EPERM, EISDIR, ENOEXEC, EPROTO, ENODEV, EEXIST } = errno;
const dockerinit = join(buildFolder(), 'dockerinit');
const sanitized = join(buildFolder(), 'dockerinit-sanitized');
const folder = join(import.meta.dirname, '../../native/dockerinit/steps');

interface Row {
  readonly id: string;
  readonly number: number;
  readonly file: string;
}
const table = JSON.parse(execFileSync(dockerinit, ['--steps'], { encoding: 'utf8' })) as Row[];
const ids = table.map((row) => row.id);

const cannotRun = skipUnlessRoot() || skipUnlessProgram('busybox');

let image: Image;
let outside: string[];
let mounts: string;
let running: Driver[] = [];

beforeEach(() => {
  image = makeImage();
  outside = witness(image.outside);
  mounts = hostMounts();
});
afterEach(async () => {
  for (const driver of running) await driver.dispose();
  running = [];
  // The property that every test here shares: whatever the image did, the host is as it was.
  expect(witness(image.outside)).toEqual(outside);
  expect(hostMounts()).toBe(mounts);
  removeImage(image);
});

/** The mount table, but for what other tests mount in their own folders meanwhile. */
function hostMounts(): string {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  const target = (line: string): string => line.split(' ')[4] ?? '';
  const foreign = (line: string): boolean =>
    target(line).startsWith(`${tmpdir()}/`) && !target(line).startsWith(image.base);
  return lines
    .filter((line) => !foreign(line))
    .map((line) => line.trimEnd())
    .join('\n');
}

function begin(start: Partial<Start> = {}): Driver {
  const driver = new Driver({ rootfs: image.rootfs, root: image.root, ...start });
  running.push(driver);
  return driver;
}

/** Runs freely to the end; standard output of the program. */
async function output(start: Partial<Start>): Promise<string> {
  const driver = begin(start);
  driver.free();
  const ended = await driver.end();
  expect({
    failed: driver.frames.find((frame) => frame.t === 'fail'),
    ended,
    err: driver.stderr,
  }).toMatchObject({
    failed: undefined,
    ended: { how: 'exited', status: 0 },
  });
  return driver.stdout;
}

const inside = (script: string, start: Partial<Start> = {}) =>
  output({ ...start, command: ['sh', '-c', script] });

/** Runs freely into a refusal. */
async function refusal(start: Partial<Start> = {}): Promise<Frame & { code: number }> {
  const driver = begin(start);
  driver.free();
  const { frame, code } = await driver.failure();
  return { ...frame, code };
}

const volume = (source: string, destination: string, writable = true): BindMount => ({
  type: 'bind',
  source,
  destination,
  writable,
  private: true,
});
const volumes = (...list: BindMount[]) => ({ mount_config: { mounts: list } });

describe('the table', () => {
  test('is the files on disk, in their order', () => {
    expect(table.map((row) => row.file)).toEqual(readdirSync(folder).sort());
    for (const { id, number, file: name } of table) {
      expect(name).toBe(`${number.toString().padStart(3, '0')}-${id.slice('init.'.length)}.cpp`);
    }
  });

  test('has a card for each step with the four headings in order', () => {
    const cards = join(import.meta.dirname, '../../src/steps/4-init');
    for (const row of table) {
      const text = readFileSync(join(cards, row.file.replace('.cpp', '.md')), 'utf8');
      const headings = text.split('\n').filter((line) => line.startsWith('## '));
      expect(headings, row.id).toEqual(['## What happens', '## Why here', '## Without it', '## Look']);
      expect(text.split('\n').length, row.id).toBeLessThanOrEqual(31);
      expect(Math.max(...text.split('\n').map((line) => line.length)), row.id).toBeLessThanOrEqual(100);
    }
  });
});

describe('started by hand', () => {
  test('says what it is and ends with 125', () => {
    const { status, stderr } = spawnSync(dockerinit, ['run'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr: expect.stringContaining('started by ts-dock') as string,
    });
  });

  test('as native without a socket says so and ends with 125', () => {
    const { status, stderr } = spawnSync(dockerinit, [], { argv0: 'native', encoding: 'utf8' });
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr: expect.stringContaining('descriptor 3') as string,
    });
  });
});

describe.skipIf(cannotRun)('the way through', () => {
  test('in one go: every step is entered and left once, in order, and the program runs', async () => {
    const driver = begin({ command: ['echo', 'hello'] });
    driver.free();
    expect(await driver.end()).toMatchObject({ how: 'exited', status: 0 });
    expect(driver.stdout).toBe('hello\n');
    const said = driver.frames.map((frame) =>
      frame.step === undefined ? frame.t : `${frame.t} ${frame.step}`,
    );
    const wanted = ids.flatMap((id) => [
      `enter ${id}`,
      ...(id === 'init.join-cgroups' ? ['joined'] : []),
      `leave ${id}`,
    ]);
    expect(said).toEqual([...wanted.slice(0, -1), 'ready']);
  });

  test('one go per step: it stands still before each one', async () => {
    const driver = begin();
    for (const id of ids) {
      await driver.entered(id);
      expect(driver.frames.at(-1)).toMatchObject({ t: 'enter', step: id });
      if (id === 'init.join-cgroups') driver.join();
      if (id === 'init.read-network-state') driver.network();
      driver.go(id);
    }
    expect(await driver.end()).toMatchObject({ how: 'exited', status: 0 });
  });

  test('times rise, and the number of calls stays within the limit', async () => {
    const driver = begin();
    driver.free();
    await driver.end();
    let last = 0;
    for (const frame of driver.frames) {
      if (frame.calls === undefined) continue;
      expect(frame.start!).toBeGreaterThanOrEqual(last);
      expect(frame.at!).toBeGreaterThanOrEqual(frame.start!);
      expect(frame.calls.length).toBeLessThanOrEqual(48);
      last = frame.at!;
    }
  });

  test.skipIf(skipUnless('dockerinit-sanitized is not built (make sanitized)', existsSync(sanitized)))(
    'the sanitized build finds nothing',
    async () => {
      // Dynamic: it needs its libraries only until the pivot, since they are mapped by then.
      expect(await inside('echo fine', { program: sanitized })).toBe('fine\n');
      const refused = await refusal({ program: sanitized, config: { user: 'nobody-there' } });
      expect(refused).toMatchObject({ step: 'init.user', code: 125 });
    },
  );
});

/** What the display promises to be the truth about, in strace's words. */
const SHOWN = [
  ...[
    'mount',
    'umount2',
    'pivot_root',
    'open_tree',
    'move_mount',
    'mount_setattr',
    'mknodat',
    'symlinkat',
    'mkdirat',
  ],
  ...[
    'sethostname',
    'setsid',
    'prctl',
    'capset',
    'setgroups',
    'setresgid',
    'setresuid',
    'chdir',
    'execve',
    'umask',
  ],
  ...[
    'close_range',
    'dup3',
    'seccomp',
    'prlimit64',
    'openat2',
    'unlinkat',
    'fchdir',
    'fchown',
    'ioctl',
    'setns',
  ],
];

describe.skipIf(cannotRun || skipUnlessProgram('strace'))('the record of calls', () => {
  /** What is not in every run; test/native/true-calls.test.ts has the rest, with whole arguments. */
  const cases: readonly (readonly [
    what: string,
    telltale: string,
    how: () => Partial<Start>,
    state: object,
  ])[] = [
    [
      'a volume, a limit and another user',
      'prlimit64',
      () => {
        const data = join(image.base, 'data');
        mkdirSync(data);
        const mounts = [volume(data, '/a/b', false)];
        const rlimits = [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }];
        return { config: { user: 'bob', mount_config: { mounts }, today: { rlimits } } };
      },
      {},
    ],
    ['a terminal', 'fchown', () => ({ config: { tty: true, user: 'bob' } }), {}],
    [
      'the network of another container',
      'setns',
      () => ({ without: NEWNET, config: { namespaces: { NEWNET: false }, networks: [] } }),
      { ns_path: '/proc/self/ns/net' },
    ],
  ];

  test.each(cases)('is what strace sees, in order: %s', async (_, telltale, how, state) => {
    const driver = begin({ command: ['true'], ...how() });
    await driver.entered('init.read-args');
    const log = join(image.base, 'strace');
    const strace = spawn('strace', [
      '-p',
      `${driver.pid}`,
      '-s',
      '300',
      '-o',
      log,
      '-e',
      `trace=${SHOWN.join(',')}`,
    ]);
    await once(strace.stderr, 'data');
    driver.free(state);
    await driver.end();
    if (strace.exitCode === null) await once(strace, 'exit');
    const seen = readFileSync(log, 'utf8')
      .split('\n')
      .map(ofStrace)
      .filter((call) => call !== undefined);
    const told = driver.frames
      .flatMap((frame) => frame.calls ?? [])
      .filter((call) => SHOWN.includes(call.c))
      // Done before the first wait, and so before strace could look.
      .slice(3)
      .map((call) => comparable(call.c, call.a.join(', '), call.r));
    const exec = seen.findIndex((call) => call.startsWith('execve'));
    expect(told).toEqual(seen.slice(0, exec + 1));
    expect(exec).toBeGreaterThan(100);
    expect(told.some((call) => call.startsWith(`${telltale} `))).toBe(true);
    expect(driver.frames.every((frame) => (frame.more ?? 0) === 0)).toBe(true);
  });
});

/** Name, result, quoted strings in their order, and all flag words: what both sides must agree on. */
function comparable(name: string, args: string, result: number): string {
  const strings = [...args.matchAll(/"([^"]*)"/g)].map((match) => match[1]);
  const words = args.replaceAll(/"[^"]*"/g, '').match(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g) ?? [];
  // strace has the flags of the one as a number; the sets of the other are compared by true-calls.test.ts.
  const opaque = ['ioctl', 'capset'].includes(name);
  const flags = (opaque ? [] : words)
    .filter((word) => !['O_RDONLY', 'SUID_DUMP_DISABLE'].includes(word))
    .sort();
  return [name, result, JSON.stringify(strings), flags.join('|')].join(' ');
}

function ofStrace(line: string): string | undefined {
  const match = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(line);
  return match === null
    ? undefined
    : comparable(match[1]!, match[2]!, parseInt(match[3]!, match[3]!.startsWith('0') ? 8 : 10));
}

describe.skipIf(cannotRun)('what the program finds', () => {
  test('descriptors 0, 1, 2 and the one that ls opened, though the daemon leaked one', async () => {
    const leaked = openSync('/', 'r');
    try {
      expect((await output({ command: ['ls', '/proc/self/fd'] })).split('\n').filter(Boolean)).toEqual([
        '0',
        '1',
        '2',
        '3',
      ]);
    } finally {
      closeSync(leaked);
    }
  });

  test('its own environment with HOME, and nothing of the daemon', async () => {
    const text = await output({ command: ['env'] });
    expect(text.split('\n').filter(Boolean).sort()).toEqual([
      'HOME=/root',
      'PATH=/usr/bin:/bin',
      'SECRET=hidden',
    ]);
  });

  test('an empty HOME is filled, a chosen one is kept', async () => {
    const path = 'PATH=/bin';
    expect(await inside('echo $HOME', { config: { environment: [path, 'HOME='], user: 'bob' } })).toBe(
      '/home/bob\n',
    );
    expect(await inside('echo $HOME', { config: { environment: [path, 'HOME=/x'], user: 'bob' } })).toBe(
      '/x\n',
    );
    expect(await inside('echo $HOME', { config: { environment: [path], user: '4242' } })).toBe('/\n');
  });

  test('as root the kept capabilities, nothing to inherit', async () => {
    const text = await output({ command: ['grep', '^Cap', '/proc/self/status'] });
    const kept = '00000000a80425fb';
    expect(capabilitiesOf(text)).toEqual({
      Inh: '0000000000000000',
      Prm: kept,
      Eff: kept,
      Bnd: kept,
      Amb: '0000000000000000',
    });
  });

  test('as uid 1000 none, and the bounding set is still cut', async () => {
    const text = await output({ command: ['grep', '^Cap', '/proc/self/status'], config: { user: '1000' } });
    const none = '0000000000000000';
    expect(capabilitiesOf(text)).toEqual({
      Inh: none,
      Prm: none,
      Eff: none,
      Bnd: '00000000a80425fb',
      Amb: none,
    });
  });

  test('a capability that nobody knows is refused', async () => {
    expect(await refusal({ config: { capabilities: ['CHOWN', 'CHWON'] } })).toMatchObject({
      step: 'init.load-config',
      detail: 'container.json: /capabilities/1 is no known capability',
    });
  });

  test('the host name, the umask, session and mounts of its own', async () => {
    expect(await inside('hostname; umask; cd /; pwd')).toBe('inside\n0022\n/\n');
    const points = (await output({ command: ['mount'] })).split('\n').map((line) => line.split(' ')[2]);
    expect(points).toEqual(
      expect.arrayContaining(['/', '/proc', '/dev', '/dev/shm', '/dev/pts', '/dev/mqueue', '/sys']),
    );
    expect(points.filter((point) => point?.includes('outside'))).toEqual([]);
  });

  test('paths of /proc and /sys that are read-only or empty', async () => {
    const script =
      'for f in /proc/sys/kernel/hostname /sys/kernel/uevent_helper; do { echo x > $f; } 2>&1; done; cat /proc/keys; ls /sys/firmware /proc/acpi; true';
    const text = await inside(script);
    expect(text).not.toMatch(/keyring/);
    expect(text.match(/Read-only file system|nonexistent/g)?.length).toBe(2);
    expect(text).toContain('/proc/acpi:\n\n/sys/firmware:\n');
  });

  test('for the privileged nothing is restricted', async () => {
    const text = await inside('mount', { config: { restrict_sys: false } });
    expect(text).toMatch(/sysfs on \/sys type sysfs \(rw/);
    expect(text).not.toMatch(/on \/proc\//);
  });

  test('with --read-only a root that cannot be written, a /dev and volumes that can', async () => {
    const data = join(image.base, 'data');
    mkdirSync(data);
    const text = await inside(
      '{ echo > /file; } 2>&1; echo > /dev/shm/file && echo > /dev/file && echo > /data/file && echo rest',
      {
        config: { mount_config: { readonly_fs: true, mounts: [volume(data, '/data')] } },
      },
    );
    expect(text).toMatch(/Read-only file system\nrest\n$/);
    expect(existsSync(join(data, 'file'))).toBe(true);
  });

  test('limits as asked for, and one above the host is refused by its name', async () => {
    const nofile = { type: 'RLIMIT_NOFILE', soft: 100, hard: 200 };
    expect(await inside('ulimit -n; ulimit -Hn', { config: { today: { rlimits: [nofile] } } })).toBe(
      '100\n200\n',
    );
    const refused = await refusal({
      config: { today: { rlimits: [{ ...nofile, soft: 2 ** 60, hard: 2 ** 60 }] } },
    });
    expect(refused).toMatchObject({ step: 'init.rlimits', call: 'prlimit64', errno: EPERM });
    expect(refused.detail).toContain('RLIMIT_NOFILE');
  });

  test('user namespaces and mounts refused, threads and children not', async () => {
    const kept = { capabilities: [...baseConfig.capabilities] };
    const text = await inside('unshare -U true 2>&1; mkdir /m; mount -t tmpfs none /m 2>&1; (echo child)', {
      config: kept,
    });
    expect(text).toMatch(
      /Operation not permitted[\s\S]*(permission denied|Operation not permitted)[\s\S]*child\n/,
    );
    expect(await output({ command: ['grep', '^Seccomp:', '/proc/self/status'] })).toMatch(/\t2$/m);
  });

  test('mounts allowed where SYS_ADMIN was kept, no filter where none was wanted', async () => {
    const config = { capabilities: [...baseConfig.capabilities, 'SYS_ADMIN'] };
    expect(
      await inside('mkdir /m && mount -t tmpfs none /m && unshare -U true && echo done', { config }),
    ).toBe('done\n');
    const without = { today: { seccomp: false } };
    expect(await output({ command: ['grep', '^Seccomp:', '/proc/self/status'], config: without })).toMatch(
      /\t0$/m,
    );
  });

  test("a standard input that was the host /dev/null is the container's", async () => {
    const text = await inside('stat -Lc "%d %t:%T" /dev/null /proc/self/fd/0');
    const [own, stdin] = text.split('\n');
    expect(stdin).toBe(own);
    expect(own).toMatch(/ 1:3$/);
  });
});

describe.skipIf(cannotRun)('network', () => {
  test('with a veth: eth0 with address, broadcast, mtu and default route; lo up', async () => {
    const [host, child] = [`tv${process.pid % 1e6}h`, `tv${process.pid % 1e6}c`];
    const veth = {
      type: 'veth',
      bridge: 'none',
      veth_prefix: 'tv',
      address: '10.213.7.2/24',
      gateway: '10.213.7.1',
      mtu: 1400,
    } as const;
    const driver = begin({ command: ['ip', 'a'], config: { networks: [...baseConfig.networks, veth] } });
    await driver.entered('init.read-args');
    execFileSync('ip', [
      'link',
      'add',
      host,
      'type',
      'veth',
      'peer',
      'name',
      child,
      'netns',
      driver.pid.toString(),
    ]);
    driver.free({ veth_host: host, veth_child: child });
    expect(await driver.end()).toMatchObject({ status: 0 });
    expect(driver.stdout).toMatch(/eth0[^\n]* mtu 1400 /);
    expect(driver.stdout).toContain('inet 10.213.7.2/24 brd 10.213.7.255');
    expect(driver.stdout).toContain('inet 127.0.0.1/8');
    const { calls } = await driver.left('init.network');
    expect(calls!.map((call) => call.a.join(' ')).join('\n')).toMatch(
      /IFLA_IFNAME="eth0"[\s\S]*default via 10.213.7.1/,
    );
    spawnSync('ip', ['link', 'delete', host]);
  });

  test('a veth that is not there is refused', async () => {
    const veth = {
      type: 'veth',
      bridge: 'b',
      veth_prefix: 'v',
      address: '10.0.0.2/24',
      gateway: '10.0.0.1',
      mtu: 1500,
    } as const;
    const driver = begin({ config: { networks: [veth] } });
    driver.free({ veth_host: 'a', veth_child: 'absent' });
    expect((await driver.failure()).frame).toMatchObject({
      step: 'init.network',
      call: 'ioctl',
      errno: ENODEV,
    });
  });

  test('of the host: nothing is touched', async () => {
    const driver = begin({ without: NEWNET, config: { namespaces: { NEWNET: false }, networks: [] } });
    driver.free();
    expect(await driver.end()).toMatchObject({ status: 0 });
    expect((await driver.left('init.network')).calls).toEqual([]);
  });
});

describe.skipIf(cannotRun)('a terminal', () => {
  test("is the container's own; its master comes to the daemon", async () => {
    const script = 'tty; stat -c "%t" /dev/console; cat < /dev/null > /dev/console; echo x > /dev/tty';
    const driver = begin({
      command: ['sh', '-c', script.replace('tty;', 'ls -l /proc/self/fd/0;')],
      config: { tty: true },
    });
    driver.free();
    await driver.until((frame) => frame.t === 'console');
    expect(driver.masters.length).toBe(1);
    await driver.until((frame) => frame.t === 'ready');
    await driver.end();
    const text = readMaster(driver.masters[0]!);
    expect(text).toMatch(/-> \/dev\/pts\/0\r\n88\r\nx\r\n$/);
  });

  test('may be opened again by another user', async () => {
    const driver = begin({
      command: ['sh', '-c', 'echo again > /dev/stdout'],
      config: { tty: true, user: 'bob' },
    });
    driver.free();
    expect(await driver.end()).toMatchObject({ status: 0 });
    expect(readMaster(driver.masters[0]!)).toBe('again\r\n');
  });
});

function readMaster(fd: number): string {
  const bytes = Buffer.alloc(4096);
  const got = spawnSync('dd', ['bs=4096', 'count=8', 'iflag=nonblock'], { stdio: [fd, 'pipe', 'ignore'] });
  return Buffer.concat([got.stdout, bytes.subarray(0, 0)]).toString();
}

function capabilitiesOf(status: string): Record<string, string> {
  return Object.fromEntries(
    [...status.matchAll(/^Cap(\w+):\t(\w+)$/gm)].map((match) => [match[1]!, match[2]!]),
  );
}

describe.skipIf(cannotRun)('what if the daemon', () => {
  const waits = ids.filter((id) => id !== 'init.join-cgroups' && id !== 'init.read-network-state');

  test.each(waits)('dies while init stands before %s: 125, without a word', async (id) => {
    const driver = begin();
    const before = ids[ids.indexOf(id) - 1];
    if (before !== undefined) driver.go(before);
    driver.join();
    driver.network();
    await driver.entered(id);
    driver.hangUp();
    expect(await driver.end()).toMatchObject({ how: 'exited', status: 125 });
    expect(driver.frames.filter((frame) => frame.t === 'fail')).toEqual([]);
    expect(driver.stdout + driver.stderr).toBe('');
  });

  test.each(['init.join-cgroups', 'init.read-network-state'])(
    'dies while init waits within %s: 125',
    async (id) => {
      const driver = begin();
      driver.go();
      if (id !== 'init.join-cgroups') driver.join();
      await driver.entered(id);
      driver.hangUp();
      expect(await driver.end()).toMatchObject({ how: 'exited', status: 125 });
      expect(driver.stdout + driver.stderr).toBe('');
    },
  );

  test('dies in the middle of a frame: 125', async () => {
    const driver = begin();
    await driver.entered('init.read-args');
    driver.raw(Buffer.from([0, 0, 0, 9, 0x7b]));
    driver.hangUp();
    expect(await driver.end()).toMatchObject({ how: 'exited', status: 125 });
  });

  test.each([
    ['sends no JSON', 'garbage'],
    ['sends an array', '[]'],
    ['sends null', 'null'],
    ['sends an object without a type', '{}'],
    ['sends an unknown type', '{"t":"stop"}'],
    ['permits a step that does not exist', '{"t":"go","through":"init.nothing"}'],
    ['permits with a number', '{"t":"go","through":29}'],
    ['adds a word to a permission', '{"t":"go","through":"init.exec","now":true}'],
    ['names cgroups that are no names', '{"t":"join","files":[1]}'],
    ['hides a NUL in a name', '{"t":"join","files":["/a\\u0000b"]}'],
    ['invents a word of the network state', '{"t":"network-state","state":{"bridge":"x"}}'],
    ['sends invalid UTF-8', Buffer.from([0x7b, 0x22, 0x74, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])],
  ])('%s: refused as a fault of the protocol', async (_what, text) => {
    const driver = begin();
    const bytes = Buffer.from(text as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    driver.raw(Buffer.concat([length, bytes]));
    const { frame, code } = await driver.failure();
    expect({ ...frame, code }).toMatchObject({
      step: 'init.read-args',
      call: 'recvmsg',
      errno: EPROTO,
      code: 125,
    });
  });

  test.each([0, 65537, 0xffffffff])(
    'announces a frame of %i bytes: refused before a byte of it is read',
    async (size) => {
      const driver = begin();
      const length = Buffer.alloc(4);
      length.writeUInt32BE(size);
      driver.raw(length);
      expect((await driver.failure()).frame).toMatchObject({
        errno: EPROTO,
        detail: `a frame of ${size} bytes`,
      });
    },
  );

  test('sends the largest frame: taken', async () => {
    const driver = begin();
    const frame = { t: 'join', files: [''] };
    frame.files[0] = 'x'.repeat(65536 - JSON.stringify(frame).length);
    driver.send(frame);
    driver.go();
    const { frame: fail } = await driver.failure();
    expect(fail).toMatchObject({ step: 'init.join-cgroups', call: 'openat2', errno: errno.ENAMETOOLONG });
    // Strings are cut, so that the answer is no larger than the question.
    expect(fail.args!.every((arg) => arg.length <= 200)).toBe(true);
  });

  test('tells twice which cgroups: refused', async () => {
    const driver = begin();
    driver.join();
    driver.join();
    expect((await driver.failure()).frame).toMatchObject({
      errno: EPROTO,
      detail: expect.stringContaining('join') as string,
    });
  });

  test('names a cgroup file that is not there: refused by its name', async () => {
    const driver = begin();
    driver.go();
    driver.join(['/sys/fs/cgroup/absent/tasks']);
    expect((await driver.failure()).frame).toMatchObject({
      step: 'init.join-cgroups',
      call: 'openat2',
      errno: ENOENT,
    });
  });

  test('writes arguments in another way: refused', async () => {
    const bad = [
      ['native'],
      ['native', '-console', '', '-pipe', '3', '-root', image.root, '--'],
      ['native', '-console', '', '-pipe', '4', '-root', image.root, '--', 'true'],
      ['native', '-console', '', '-pipe', '3', '-root', 'relative', '--', 'true'],
      ['native', '-pipe', '3', '-console', '', '-root', image.root, '--', 'true'],
    ];
    for (const argv of bad) {
      expect(await refusal({ argv }), argv.join(' ')).toMatchObject({
        step: 'init.read-args',
        errno: EINVAL,
        code: 125,
      });
    }
  });

  test.each([
    ['is no JSON', '{', 'is not JSON'],
    ['lacks a word', '{}', '/mount_config is missing'],
    ['has a word too many', JSON.stringify({ ...baseConfig, privileged: true }), 'does not know'],
    ['has a wrong type', JSON.stringify({ ...baseConfig, tty: 1 }), '/tty must be true or false'],
    ['hides a NUL', JSON.stringify({ ...baseConfig, hostname: 'a\0b' }), '/hostname must not contain NUL'],
    [
      'has /dev/shm without a limit',
      JSON.stringify({ ...baseConfig, today: { ...baseConfig.today, shm_size: 0 } }),
      'positive',
    ],
    ['is over 4 MiB', `"${'x'.repeat(4 << 20)}"`, 'too large'],
  ])('writes a container.json that %s: refused', async (_what, text, detail) => {
    expect(await refusal({ text })).toMatchObject({
      step: 'init.load-config',
      detail: expect.stringContaining(detail) as string,
      code: 125,
    });
  });

  test.each(['NOEQUALS', '=value', ''])("writes '%s' into the environment: refused", async (variable) => {
    const refused = await refusal({ config: { environment: ['PATH=/bin', variable] } });
    expect(refused).toMatchObject({ step: 'init.load-env', detail: `invalid environment '${variable}'` });
  });
});

describe.skipIf(cannotRun)('what if the image', () => {
  const hostile = (name: string, make: () => void) => [name, make] as const;

  test.each([
    hostile('has /proc as a link to a false one', () => {
      mkdirSync(join(image.rootfs, 'bad-proc'));
      link(image, 'proc', '/bad-proc');
    }),
    hostile('has /proc as a link to the root', () => link(image, 'proc', '/')),
    hostile('has /proc as a link out of the image', () => link(image, 'proc', '../outside')),
    hostile('has /proc as a file', () => file(image, 'proc', '')),
    hostile('has /sys as a link out of the image', () => link(image, 'sys', '../outside')),
    hostile('has /dev as a link out of the image (CVE-2026-41579)', () => link(image, 'dev', '../outside')),
    hostile('has /dev as an absolute link', () => link(image, 'dev', image.outside)),
    hostile('has /dev as a link to itself', () => link(image, 'dev', 'dev')),
  ])('%s: it must be an ordinary directory', async (_name, make) => {
    make();
    const refused = await refusal();
    expect(refused).toMatchObject({ step: 'init.system-mounts', call: 'openat2', code: 125 });
    expect(refused.detail).toContain('ordinary directory');
  });

  test('brings files in /dev: they are covered, not used', async () => {
    mkdirSync(join(image.rootfs, 'dev'));
    link(image, 'dev/null', '../../outside/victim');
    link(image, 'dev/ptmx', '../../outside/ptmx');
    expect(await inside('stat -c %F /dev/null; echo x > /dev/null')).toBe('character special file\n');
    expect(readFileSync(join(image.outside, 'victim'), 'utf8')).toBe('untouched');
  });

  describe('or a volume over /dev', () => {
    const null_as = (make: (dev: string) => void) => {
      const dev = join(image.base, 'dev');
      mkdirSync(dev);
      make(dev);
      return volumes(volume(dev, '/dev'));
    };

    test('makes /dev/null a link to a host file (CVE-2015-3627): refused when stdin is to be reopened', async () => {
      const config = null_as((dev) =>
        execFileSync('ln', ['-s', join(image.outside, 'victim'), join(dev, 'null')]),
      );
      expect(await refusal({ config })).toMatchObject({
        step: 'init.reopen-null',
        call: 'openat2',
        errno: errno.ELOOP,
      });
    });

    test('makes /dev/null a link to core_pattern (CVE-2025-31133): refused when it is to be a mask', async () => {
      const config = null_as((dev) =>
        execFileSync('ln', ['-s', '/proc/sys/kernel/core_pattern', join(dev, 'null')]),
      );
      const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
      const stdin = openSync(join(image.base, 'rootfs/etc/passwd'), 'r');
      try {
        expect(await refusal({ config, stdin })).toMatchObject({ step: 'init.restrict', errno: errno.ELOOP });
      } finally {
        closeSync(stdin);
      }
      expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).toBe(before);
    });

    test('makes /dev/null another device or a file: refused', async () => {
      const zero = null_as((dev) => execFileSync('mknod', [join(dev, 'null'), 'c', '1', '5']));
      expect(await refusal({ config: zero })).toMatchObject({ step: 'init.reopen-null', errno: ENODEV });
      writeFileSync(join(image.base, 'dev/plain'), '');
      rmSync(join(image.base, 'dev/null'));
      writeFileSync(join(image.base, 'dev/null'), '');
      expect(await refusal({ config: zero })).toMatchObject({ step: 'init.reopen-null', errno: ENODEV });
    });

    test('gets none of our nodes and links: they are made in the tmpfs that it covers', async () => {
      const config = null_as((dev) => execFileSync('mknod', [join(dev, 'null'), 'c', '1', '3']));
      expect(await output({ command: ['ls', '/dev'], config })).toBe('null\n');
      expect(readdirSync(join(image.base, 'dev'))).toEqual(['null']);
    });
  });

  describe('has a user database that', () => {
    const passwd = (name: string, make: () => void, detail: string) => [name, make, detail] as const;
    const replace = (content: string) => () => file(image, 'etc/passwd', content);

    test.each([
      passwd(
        'is a fifo',
        () => {
          rmSync(join(image.rootfs, 'etc/passwd'));
          execFileSync('mkfifo', [join(image.rootfs, 'etc/passwd')]);
        },
        'not a regular file',
      ),
      passwd(
        'is a link to a host file',
        () => link(image, 'etc/passwd', join(image.outside, 'victim')),
        'not a regular file',
      ),
      passwd(
        'is a link within the image',
        () => link(image, 'etc/passwd', '/etc/group'),
        'not a regular file',
      ),
      passwd(
        'is a device',
        () => {
          rmSync(join(image.rootfs, 'etc/passwd'));
          execFileSync('mknod', [join(image.rootfs, 'etc/passwd'), 'c', '1', '5']);
        },
        'not a regular file',
      ),
      passwd(
        'is a directory',
        () => {
          rmSync(join(image.rootfs, 'etc/passwd'));
          mkdirSync(join(image.rootfs, 'etc/passwd'));
        },
        'not a regular file',
      ),
      passwd(
        'is larger than 10 MiB',
        () => truncateSync(join(image.rootfs, 'etc/passwd'), (10 << 20) + 1),
        'too large',
      ),
      passwd('gives bob a uid of 2^32', replace('bob:x:4294967296:0::/:\n'), 'must be in range'),
      passwd('gives bob the uid -1 of the kernel', replace('bob:x:4294967295:0::/:\n'), 'must be in range'),
      passwd('gives bob a negative uid', replace('bob:x:-1:0::/:\n'), 'must be in range'),
      passwd('gives bob a hexadecimal uid', replace('bob:x:0x0:0::/:\n'), 'must be in range'),
      passwd('gives bob a uid with a blank', replace('bob:x: 0:0::/:\n'), 'must be in range'),
      passwd('gives bob no uid', replace('bob:x::0::/:\n'), 'must be in range'),
      passwd(
        'gives bob a uid of 300 digits',
        replace(`bob:x:${'9'.repeat(300)}:0::/:\n`),
        'must be in range',
      ),
      passwd('gives bob an impossible group', replace('bob:x:1000:99999999999::/:\n'), 'must be in range'),
      passwd(
        'has a NUL in his line',
        replace('bob\0:x:1000:1000::/:\nbob:x:\0:0::/:\n'),
        'unable to find user bob: no matching entries in passwd file',
      ),
      passwd(
        'does not know bob',
        replace('alice:x:1000:1000::/:\n'),
        'unable to find user bob: no matching entries in passwd file',
      ),
    ])('%s: refused', async (_name, make, detail) => {
      make();
      const refused = await refusal({ config: { user: 'bob' } });
      expect(refused).toMatchObject({ step: 'init.user', code: 125 });
      expect(refused.detail).toContain(detail);
    });

    test('is not there: numbers are enough', async () => {
      rmSync(join(image.rootfs, 'etc'), { recursive: true });
      expect(await inside('id -u; id -g; id -G', { config: { user: '7:8' } })).toBe('7\n8\n8\n');
    });

    test('lies behind a linked /etc: still inside', async () => {
      execFileSync('mv', [join(image.rootfs, 'etc'), join(image.rootfs, 'config')]);
      link(image, 'etc', '/config');
      expect(await inside('id -u', { config: { user: 'bob' } })).toBe('1000\n');
    });
  });

  describe('or the caller writes a user', () => {
    test.each([
      ['', '0 0 0'],
      ['bob', '1000 1001 1001 10 50'],
      ['bob:staff', '1000 50 50'],
      ['bob:7', '1000 7 7'],
      // The line named `1000` has uid 0: a number is never a name (CVE-2016-3697).
      ['1000', '1000 1001 1001 10 50'],
      ['1', '1 0 0'],
      ['4294967294', '4294967294 0 0'],
    ])("'%s': uid, gid and groups are %s", async (user, wanted) => {
      const text = await output({
        command: ['grep', '-E', '^(Uid|Gid|Groups):', '/proc/self/status'],
        config: { user },
      });
      const field = (name: string) =>
        new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)![1]!.trim().split(/\s+/);
      const groups = field('Groups')
        .map(Number)
        .sort((a, b) => a - b);
      const [uid, gid, ...rest] = wanted.split(' ');
      expect([new Set(field('Uid')), new Set(field('Gid')), groups]).toEqual([
        new Set([uid]),
        new Set([gid]),
        rest.map(Number).sort((a, b) => a - b),
      ]);
    });

    test.each([
      ['4294967295', 'must be in range'],
      ['4294967296', 'must be in range'],
      ['9'.repeat(300), 'must be in range'],
      ['bob:4294967295', 'must be in range'],
      ['-1', 'unable to find user -1: no matching entries in passwd file'],
      ['0x0', 'unable to find user 0x0: no matching entries in passwd file'],
      [' 0', 'unable to find user  0: no matching entries in passwd file'],
      ['bob:nobody', 'unable to find group nobody: no matching entries in group file'],
      ['bob:staff:x', 'a user is written user[:group]'],
    ])("'%s': refused", async (user, detail) => {
      const refused = await refusal({ config: { user } });
      expect(refused).toMatchObject({ step: 'init.user', code: 125 });
      expect(refused.detail).toContain(detail);
    });

    test('who is in more groups than the kernel allows: refused', async () => {
      const lines = Array.from({ length: 65600 }, (_, i) => `g${i}:x:${i + 100000}:bob\n`);
      file(image, 'etc/group', lines.join(''));
      expect(await refusal({ config: { user: 'bob' } })).toMatchObject({
        step: 'init.user',
        errno: errno.E2BIG,
      });
    });
  });

  describe('or the caller wants a volume', () => {
    let data: string;
    beforeEach(() => {
      data = join(image.base, 'data');
      mkdirSync(data);
      writeFileSync(join(data, 'hello'), 'hello');
    });

    test('on a new path: directories and files are made for it', async () => {
      const config = volumes(volume(data, '/a/b/c'), volume(join(data, 'hello'), '/x/y.txt'));
      expect(await inside('cat /a/b/c/hello /x/y.txt', { config })).toBe('hellohello');
      expect(statSync(join(image.rootfs, 'a/b')).mode & 0o777).toBe(0o755);
      expect(statSync(join(image.rootfs, 'x/y.txt')).size).toBe(0);
    });

    test('in a volume, whatever their order', async () => {
      const inner = join(image.base, 'inner');
      mkdirSync(inner);
      mkdirSync(join(data, 'b'));
      writeFileSync(join(inner, 'deep'), 'deep');
      expect(
        await inside('cat /a/b/deep', { config: volumes(volume(inner, '/a/b'), volume(data, '/a')) }),
      ).toBe('deep');
    });

    test('read-only: with all that is mounted below it', async () => {
      const config = volumes(volume(data, '/ro', false));
      expect(
        await inside('{ echo > /ro/file; } 2>&1; grep " /ro " /proc/self/mountinfo', { config }),
      ).toMatch(/Read-only[\s\S]* ro,/);
      // The host's /sys has mounts of its own below it: the old remount left those writable.
      const below = await inside('grep " /s[^ ]*/" /proc/self/mountinfo', {
        config: volumes(volume('/sys', '/s', false)),
      });
      expect(below.split('\n').filter(Boolean).length).toBeGreaterThan(0);
      for (const line of below.split('\n').filter(Boolean)) expect(line.split(' ')[5]).toMatch(/^ro\b/);
    });

    test.each(['/', '/.', '/../..', '/a/..'])('on %s: refused', async (destination) => {
      mkdirSync(join(image.rootfs, 'a'));
      const refused = await refusal({ config: volumes(volume(data, destination)) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', errno: EINVAL });
      expect(refused.detail).toContain("a volume on '/'");
    });

    test.each([
      '/proc',
      '/proc/',
      '/proc/self/attr',
      '/x/../proc',
      '/proc/sys',
      '/sys',
      '/sys/kernel',
      '/link',
      '/link/self',
      '/deep/link/sys',
    ])('on %s: refused, for it is proc or sysfs (CVE-2015-3631)', async (destination) => {
      mkdirSync(join(image.rootfs, 'x'));
      mkdirSync(join(image.rootfs, 'deep'));
      link(image, 'link', '/proc');
      link(image, 'deep/link', '../..');
      const refused = await refusal({ config: volumes(volume(data, destination)) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', errno: EINVAL });
      expect(refused.detail).toContain('under /proc or /sys');
    });

    test('through a link of the image that leads out: it stays inside', async () => {
      link(image, 'data', image.outside);
      mkdirSync(join(image.rootfs, image.outside), { recursive: true });
      expect(await inside('cat /data/hello', { config: volumes(volume(data, '/data')) })).toBe('hello');
    });

    test('through a relative link that leads out: it stays inside', async () => {
      link(image, 'data', '../outside');
      mkdirSync(join(image.rootfs, 'outside'));
      expect(await inside('cat /data/hello', { config: volumes(volume(data, '/data')) })).toBe('hello');
    });

    test('through a link that leads nowhere: refused, nothing is made through it', async () => {
      link(image, 'data', '../outside/new');
      const refused = await refusal({ config: volumes(volume(data, '/data/x')) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', call: 'mkdirat', errno: EEXIST });
    });

    test('a file where the image has /etc/hosts as a link to the host (B: init layer)', async () => {
      link(image, 'etc/hosts', join(image.outside, 'victim'));
      const refused = await refusal({ config: volumes(volume(join(data, 'hello'), '/etc/hosts')) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', call: 'openat2', errno: EEXIST });
    });

    test('with a magic link in its path: refused', async () => {
      const refused = await refusal({ config: volumes(volume(data, '/proc/self/root/tmp')) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', errno: errno.ELOOP });
    });

    test('of a source that is not there: refused by its name', async () => {
      const refused = await refusal({ config: volumes(volume(join(data, 'absent'), '/data')) });
      expect(refused).toMatchObject({ step: 'init.bind-mounts', errno: ENOENT });
      expect(refused.detail).toContain(join(data, 'absent'));
    });

    test('of a directory on a file: refused', async () => {
      file(image, 'plain', '');
      expect(await refusal({ config: volumes(volume(data, '/plain')) })).toMatchObject({
        step: 'init.bind-mounts',
        errno: ENOTDIR,
      });
    });
  });

  describe('or the caller wants a device', () => {
    const node = (path: string, major = 1, minor = 3) =>
      ({
        type: 99,
        path,
        major_number: major,
        minor_number: minor,
        cgroup_permissions: 'rwm',
        file_mode: 0o666,
      }) as const;
    const nodes = (...list: ReturnType<typeof node>[]) => ({
      mount_config: { device_nodes: [node('/dev/null'), ...list] },
    });

    test('in a directory of its own', async () => {
      expect(
        await inside('stat -c "%t:%T %a" /dev/net/tun', { config: nodes(node('/dev/net/tun', 10, 200)) }),
      ).toBe('a:c8 666\n');
    });

    test.each(['/etc/null', '/dev', '/dev/', '/dev/../etc/null', '/dev/a/../../etc/null'])(
      'at %s: refused',
      async (path) => {
        expect(await refusal({ config: nodes(node(path)) })).toMatchObject({
          step: 'init.devices',
          errno: EINVAL,
        });
      },
    );

    test('twice with other numbers: refused', async () => {
      expect(await refusal({ config: nodes(node('/dev/null', 1, 5)) })).toMatchObject({
        step: 'init.devices',
        errno: EEXIST,
      });
    });
  });
});

describe.skipIf(cannotRun)('the working directory', () => {
  test('that does not exist is refused', async () => {
    expect(await refusal({ config: { working_dir: '/absent' } })).toMatchObject({
      step: 'init.chdir',
      call: 'chdir',
      errno: ENOENT,
      code: 125,
    });
  });

  test('is entered as the user: a closed one is refused', async () => {
    mkdirSync(join(image.rootfs, 'closed'));
    chmodSync(join(image.rootfs, 'closed'), 0o700);
    expect(await refusal({ config: { working_dir: '/closed', user: 'bob' } })).toMatchObject({
      step: 'init.chdir',
      errno: EACCES,
    });
    expect(await inside('pwd', { config: { working_dir: '/closed' } })).toBe('/closed\n');
  });

  test('/proc/self/fd/N leads nowhere for any N (CVE-2024-21626)', async () => {
    const leaked = openSync('/', 'r');
    try {
      for (let fd = 3; fd < 40; ++fd) {
        const refused = await refusal({ config: { working_dir: `/proc/self/fd/${fd}` } });
        expect(refused.step, `fd ${fd}`).toBe('init.chdir');
        expect([ENOENT, ENOTDIR]).toContain(refused.errno);
      }
    } finally {
      closeSync(leaked);
    }
  });

  test('a standard input that is a host directory is seen through', async () => {
    const stdin = openSync(image.outside, 'r');
    try {
      const refused = await refusal({ stdin, config: { working_dir: '/proc/self/fd/0' } });
      expect(refused).toMatchObject({ step: 'init.chdir', call: 'getcwd', errno: EPERM });
      expect(refused.detail).toContain('outside the container');
    } finally {
      closeSync(stdin);
    }
  });
});

describe.skipIf(cannotRun)('a program that', () => {
  test.each([
    ['is not in PATH', ['absent'], ENOENT, 127],
    ['has an empty name', [''], ENOENT, 127],
    ['is not at its path', ['/bin/absent'], ENOENT, 127],
    ['is a directory', ['/etc'], EISDIR, 126],
    ['lies below a file', ['/bin/busybox/x'], ENOTDIR, 126],
    ['may not be executed', ['/etc/passwd'], EACCES, 126],
    ['has no known format', ['/text'], ENOEXEC, 126],
    ['has an interpreter that is not there', ['/script'], ENOENT, 127],
  ])('%s: refused', async (_what, command, code, exit) => {
    file(image, 'text', 'text');
    file(image, 'script', '#!/absent\n');
    for (const name of ['text', 'script']) chmodSync(join(image.rootfs, name), 0o755);
    const driver = begin({ command });
    driver.free();
    const { frame, code: status } = await driver.failure();
    expect({ ...frame, status }).toMatchObject({ step: 'init.exec', errno: code, status: exit });
    // What execve itself refuses comes after `ready`, what the search refuses before it.
    expect(driver.frames.some((each) => each.t === 'ready')).toBe(frame.call === 'execve');
  });

  test("is found by the container's PATH and keeps the name that the caller gave", async () => {
    mkdirSync(join(image.rootfs, 'opt'));
    file(image, 'opt/mine', '#!/bin/sh\necho mine $0\n');
    chmodSync(join(image.rootfs, 'opt/mine'), 0o755);
    const config = { environment: ['PATH=/absent::/opt'] };
    expect(await output({ command: ['mine'], config })).toBe('mine /opt/mine\n');
    expect(await output({ command: ['cat', '/proc/self/cmdline'] })).toBe('cat\0/proc/self/cmdline\0');
  });

  test('starts with all signals as they are by default', async () => {
    const text = await output({ command: ['grep', '^Sig[BIC]', '/proc/self/status'] });
    for (const match of text.matchAll(/:\t(\w+)/g)) expect(match[1]).toBe('0000000000000000');
  });
});

describe.skipIf(cannotRun)('dockerinit itself', () => {
  test('is named in ps, and cannot be read by its neighbours (CVE-2016-9962)', async () => {
    const driver = begin();
    driver.go('init.read-args');
    await driver.entered('init.load-config');
    expect(readFileSync(`/proc/${driver.pid}/comm`, 'utf8')).toBe('ts-dock:[INIT]\n');
    // A process that is not dumpable belongs to root in /proc whatever its user is, and needs CAP_SYS_PTRACE to be read.
    const asNobody = spawnSync('ls', [`/proc/${driver.pid}/fd`], {
      uid: 65534,
      gid: 65534,
      encoding: 'utf8',
    });
    expect(asNobody.stderr).toMatch(/Permission denied/);
  });

  test('dies with the daemon even after it became another user', async () => {
    const driver = begin({ config: { user: 'bob' } });
    driver.join();
    driver.network();
    driver.go('init.user');
    await driver.left('init.user');
    const calls = (await driver.left('init.user')).calls!.map((call) => call.c + call.a.join(' '));
    const user = calls.findIndex((call) => call.startsWith('setresuid'));
    expect(calls.findIndex((call) => call.includes('PR_SET_PDEATHSIG'))).toBeGreaterThan(user);
  });

  test('joins the cgroup that it was told, and says so', async () => {
    const parent = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
      existsSync(join(path, 'cgroup.procs')),
    )!;
    const own = join(parent, `dockerinit-test-${process.pid}`);
    mkdirSync(own);
    try {
      const driver = begin();
      const member = existsSync(join(own, 'tasks')) ? 'tasks' : 'cgroup.procs';
      driver.go('init.join-cgroups');
      driver.join([join(own, member)]);
      await driver.left('init.join-cgroups');
      expect(readFileSync(join(own, 'cgroup.procs'), 'utf8')).toBe(`${driver.pid}\n`);
      await driver.dispose();
      running = running.filter((each) => each !== driver);
    } finally {
      binding();
      execFileSync('rmdir', [own]);
    }
  });
});
