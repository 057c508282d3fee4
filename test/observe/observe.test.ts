import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { flatten } from '../../src/observe/flatten.ts';
import { OBSERVERS, type Subject } from '../../src/observe/names.ts';
import { compare, observe } from '../../src/observe/observe.ts';
import { KernelWatcher } from '../../src/observe/watcher.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const ID = 'ab'.repeat(32);
let root = '';
let subject: Subject;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ts-dock-observe-'));
  subject = { root, cgroupParent: 'ts-dock-none', bridge: 'tsd-none', containerId: ID };
  mkdirSync(join(root, 'containers', ID), { recursive: true });
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A shell that has said that it is there, and waits on its standard input. */
async function shell(program: string, ...args: string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const text = await new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  return Number(text.trim());
}

const lines = (
  name: (typeof OBSERVERS)[number],
  changed: Partial<Subject> = {},
): Readonly<Record<string, string>> => observe(name, { ...subject, ...changed }).lines;

describe('looking at ourselves', () => {
  test("the namespaces of our own process are the host's", () => {
    expect(lines('namespaces', { pid: process.pid })['mnt']).toMatch(/^\d+ \(the host's\)$/);
  });

  test('the process observer decodes what /proc says', () => {
    const seen = lines('process', { pid: process.pid });
    expect(seen['program']).toBe(process.execPath);
    expect(seen['working directory']).toBe(process.cwd());
    expect(seen['state']).toBe('alive');
    expect(seen['uids']).toBe(String(process.getuid?.()));
    expect(seen['bounding capabilities']).toMatch(/^(all \d+|none|\d+: [A-Z_ 0-9]+)$/);
    expect(seen['limit open files']).toMatch(/^\d+|unlimited/);
    expect(seen['descriptor 1']).toBeDefined();
  });
});

describe.skipIf(skipUnlessRoot())('a child in namespaces of its own', () => {
  test('is seen with its own namespaces, mounts, links and root', async () => {
    const pid = await shell(
      'unshare',
      '-m',
      '-u',
      '-n',
      'sh',
      '-c',
      'mount -t tmpfs mine /mnt && echo $$ && read x',
    );
    const namespaces = lines('namespaces', { pid });
    expect(namespaces['net']).toContain('(its own)');
    expect(namespaces['pid']).toContain("(the host's)");
    expect(lines('mounts', { pid })['container /mnt']).toMatch(/^tmpfs from mine rw.* private/);
    expect(lines('links', { pid })['container lo']).toMatch(/^link down mtu 65536/);
    expect(lines('process', { pid })['root']).toBe('/');
  });
});

describe('a process that is gone', () => {
  test('gives no lines and throws nothing, whoever looks', () => {
    const pid = Number(execFileSync('sh', ['-c', 'echo $$']).toString());
    for (const name of ['namespaces', 'process'] as const) expect(lines(name, { pid })).toEqual({});
    for (const name of OBSERVERS)
      expect(() => lines(name, { pid, root: '/none', containerId: 'x' })).not.toThrow();
  });
});

describe('the files of a container', () => {
  const put = (name: string, content: string): void =>
    writeFileSync(join(root, 'containers', ID, name), content);

  test('JSON is flattened, and the values of variables are not shown', () => {
    put(
      'config.json',
      JSON.stringify({
        State: { Running: false, Pid: 0 },
        Config: { Env: ['A=secret'], Cmd: null },
        Args: [],
      }),
    );
    expect(lines('files')).toEqual({
      'config.json State.Running': 'false',
      'config.json State.Pid': '0',
      'config.json Config.Env[0]': 'A=…',
      'config.json Config.Cmd': 'null',
      'config.json Args': '[]',
    });
    expect(observe('files', subject, { showEnv: true }).lines['config.json Config.Env[0]']).toBe('A=secret');
  });

  test('texts are shown line by line', () => {
    put('hosts', '127.0.0.1\tlocalhost\n172.17.0.2\tweb\n');
    put('hostname', 'web\n');
    expect(lines('files')).toEqual({
      'hosts line 1': '127.0.0.1\tlocalhost',
      'hosts line 2': '172.17.0.2\tweb',
      'hostname line 1': 'web',
    });
  });

  test('what is not JSON is said, not thrown', () => {
    put('config.json', '{"half":');
    put('hostconfig.json', '');
    expect(lines('files')).toEqual({ 'config.json': 'not JSON: {"half":', 'hostconfig.json': 'empty' });
  });

  test('a link out of the container is not followed, a FIFO not opened, a huge file not read', async () => {
    symlinkSync('/etc/passwd', join(root, 'containers', ID, 'hosts'));
    execFileSync('mkfifo', [join(root, 'containers', ID, 'hostname')]);
    put('resolv.conf', 'x'.repeat(1 << 20));
    // Would a reader open the FIFO, this writer would come through, and say so.
    const written = join(root, 'written');
    const writer = spawn('sh', [
      '-c',
      `exec 3>"$1"; : >"$2"`,
      'sh',
      join(root, 'containers', ID, 'hostname'),
      written,
    ]);
    children.push(writer);
    for (let look = 0; look < 20; look++) {
      expect(lines('files')).toEqual({
        hosts: 'a symbolic link to /etc/passwd: not followed',
        hostname: 'a FIFO',
        'resolv.conf': '1048576 bytes, too many to be shown',
      });
    }
    expect(existsSync(written)).toBe(false);
    writer.kill('SIGKILL');
    await new Promise((resolve) => writer.once('close', resolve));
  });

  test('a folder of the root that is a link is not passed through', () => {
    rmSync(join(root, 'containers'), { recursive: true });
    const elsewhere = mkdtempSync(join(tmpdir(), 'ts-dock-elsewhere-'));
    mkdirSync(join(elsewhere, ID));
    writeFileSync(join(elsewhere, ID, 'hostname'), 'not ours\n');
    symlinkSync(elsewhere, join(root, 'containers'));
    expect(lines('files')).toEqual({});
    rmSync(elsewhere, { recursive: true });
  });
});

describe('the store', () => {
  test('has names, leases with their holder, and what the layers of the container hold', () => {
    mkdirSync(join(root, 'overlay', ID, 'diff', 'etc'), { recursive: true });
    writeFileSync(join(root, 'overlay', ID, 'diff', 'etc', 'hosts'), '');
    symlinkSync('/proc/mounts', join(root, 'overlay', ID, 'diff', 'etc', 'mtab'));
    mkdirSync(join(root, 'network', 'leases'), { recursive: true });
    writeFileSync(join(root, 'network', 'leases', '172.17.0.2'), ID);
    expect(lines('store')).toEqual({
      [`containers/${ID}`]: 'there',
      [`overlay/${ID}`]: 'there',
      [`overlay/${ID}/diff`]: 'folder',
      [`overlay/${ID}/diff/etc`]: 'folder',
      [`overlay/${ID}/diff/etc/hosts`]: '0 bytes',
      [`overlay/${ID}/diff/etc/mtab`]: '-> /proc/mounts',
      'network/leases/172.17.0.2': ID,
    });
  });
});

test('two looks differ by what came, changed and went', () => {
  const look = (lines: Record<string, string>) => [{ observer: 'files' as const, lines }];
  expect(compare(look({ a: '1', b: '2', c: '3' }), look({ b: '2', c: '4', d: '5' }))).toEqual([
    { observer: 'files', key: 'c', before: '3', after: '4' },
    { observer: 'files', key: 'd', after: '5' },
    { observer: 'files', key: 'a', before: '1' },
  ]);
});

test('values of any shape are flattened, to an end', () => {
  const cycle: Record<string, unknown> = {
    n: 1,
    bytes: Buffer.from('abc'),
    map: new Map(),
    environment: ['K=V', 'BARE'],
    f: () => 0,
  };
  cycle['self'] = cycle;
  expect(flatten(cycle, { showEnv: false })).toEqual({
    n: '1',
    bytes: '3 bytes',
    map: '(Map)',
    'environment[0]': 'K=…',
    'environment[1]': 'BARE',
    f: '(function)',
    self: '(again)',
  });
  expect(
    flatten(
      Array.from({ length: 5 }, (_, i) => i),
      { showEnv: false, most: 2 },
    ),
  ).toEqual({ '[0]': '0', '[1]': '1', '…': '+3 more' });
});

test('a dump has a file for each side of a step, for root alone, with all observers', () => {
  const dump = join(root, 'dump');
  const watcher = new KernelWatcher({ dump, showEnv: false });
  const looks = watcher.look({ observe: ['files'] }, subject);
  expect(looks.map(({ observer }) => observer)).toEqual(['files']);
  watcher.keep(12, 'start.mount-rootfs', 'before', looks);
  expect(readdirSync(dump)).toEqual(['012-start.mount-rootfs.before.json']);
  const path = join(dump, '012-start.mount-rootfs.before.json');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dump).mode & 0o777).toBe(0o700);
  const content = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  expect(Object.keys(content)).toEqual(['step', 'when', ...OBSERVERS]);
});
