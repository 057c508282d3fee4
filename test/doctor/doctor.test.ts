/** `doctor` on this machine, and on this machine with one thing broken in namespaces of its own. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plainStyle } from '../../src/cli/render/style.ts';
import { doctorText } from '../../src/cli/render/doctor.ts';
import { parseSave } from '../../src/daemon/firewall-rules.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { differs, missing, ok, type Check, type Scene } from '../../src/doctor/check.ts';
import { CHECKS, diagnose, type Diagnosis } from '../../src/doctor/doctor.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { settle, takeCensus } from '../rig/census.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
const scene: Scene = { sys: new Kernel(), place: placeOf('/nowhere/root'), isRoot: true, version: '9.9.9' };

describe('what checks come to', () => {
  const check = (id: string, look: Check['look'], more: Partial<Check> = {}): Check => ({
    id,
    title: id,
    look,
    ...more,
  });

  test('only what is required and missing keeps containers from running', async () => {
    const fine = await diagnose(scene, [
      check('a', () => ok('there', { brief: 'A' }), { required: true }),
      check('b', () => missing('not there', { brief: 'no B' })),
      check('c', () => differs('odd', {}), { required: true }),
    ]);
    expect(fine).toMatchObject({ runs: true, summary: 'ts-dock 9.9.9 can run containers | A | no B' });
    const broken = await diagnose(scene, [check('a', async () => missing('gone', {}), { required: true })]);
    expect(broken).toMatchObject({ runs: false, summary: 'ts-dock 9.9.9 cannot run containers' });
  });

  test('a check that fails says so, and the others look all the same', async () => {
    const { findings } = await diagnose(scene, [
      check('a', () => {
        throw new Error('EIO, and\nmore');
      }),
      check('b', () => ok('fine')),
    ]);
    expect(findings.map(({ state, means }) => [state, means])).toEqual([
      ['unknown', 'EIO, and'],
      ['ok', ''],
    ]);
  });

  test('what only root can see is not looked at without root', async () => {
    const look = (): never => {
      throw new Error('was asked');
    };
    const { findings } = await diagnose({ ...scene, isRoot: false }, [check('a', look, { needsRoot: true })]);
    expect(findings[0]).toMatchObject({ state: 'unknown', seen: 'not looked at' });
  });

  test('ids are unique, and titles fit into their column', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
    for (const { title } of CHECKS) expect(title.length).toBeLessThanOrEqual(22);
  });

  test('the table keeps to 80 columns, and nothing in it reaches the terminal as it came', () => {
    const finding = { id: 'a', title: 'A', required: true, remedy: 'word '.repeat(40), brief: '' };
    const findings = [
      { ...finding, state: 'missing' as const, seen: 'x\u001b[2J '.repeat(30), means: 'y'.repeat(200) },
    ];
    const text = doctorText({ runs: false, summary: 'one line', findings }, plainStyle());
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toContain('Containers cannot run here: A.');
    expect(text).toContain('x\\e[2J');
    expect(text).not.toContain('\u001b[2J');
  });
});

test('iptables-save is taken apart: policies, chains, rules with their counters', () => {
  const text = [
    '# Generated',
    '*filter',
    ':FORWARD DROP [12:720]',
    ':DOCKER - [0:0]',
    '[3:180] -A FORWARD -i a -m comment --comment "b c" -j DOCKER',
    '-A DOCKER',
    'COMMIT',
    '*nat',
    ':POSTROUTING ACCEPT [0:0]',
    'COMMIT',
  ].join('\n');
  expect(parseSave(text)).toEqual({
    chains: [
      { table: 'filter', chain: 'FORWARD', policy: 'DROP' },
      { table: 'filter', chain: 'DOCKER', policy: '-' },
      { table: 'nat', chain: 'POSTROUTING', policy: 'ACCEPT' },
    ],
    rules: [
      {
        table: 'filter',
        chain: 'FORWARD',
        rule: '-i a -m comment --comment "b c" -j DOCKER',
        packets: 3,
        bytes: 180,
      },
      { table: 'filter', chain: 'DOCKER', rule: '', packets: 0, bytes: 0 },
    ],
  });
});

interface Looked {
  readonly code: number;
  readonly stdout: string;
}

describe.skipIf(skipUnlessRoot())('this machine', () => {
  let folder = '';
  let root = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ts-dock-doctor-test-'));
    root = join(folder, 'root');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (command: string, ...args: string[]): Promise<Looked> =>
    new Promise((resolve, reject) => {
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
      execFile(command, args, { env, cwd: '/' }, (error, stdout, stderr) => {
        if (stderr !== '') reject(new Error(stderr));
        else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout });
      });
    });

  /** The diagnosis after `break_` in mount and network namespaces that end with it. */
  async function broken(
    break_: string,
    place = root,
  ): Promise<{ code: number; of: (id: string) => string; told: Diagnosis }> {
    const script = `${break_}\nexec "${process.execPath}" "${bundle}" --root "${place}" doctor --json`;
    const { code, stdout } = await ask('unshare', '--mount', '--net', 'sh', '-ec', script);
    const told = JSON.parse(stdout) as Diagnosis;
    const of = (id: string): string => {
      const { state, seen } = told.findings.find((each) => each.id === id)!;
      return `${state}: ${seen}`;
    };
    return { code, of, told };
  }

  test('can run containers, as the other tests show; nothing stays of what was tried', async () => {
    const take = () => takeCensus({ files: [folder] });
    const before = take();
    const { code, stdout } = await ask(process.execPath, bundle, '--root', root, 'doctor');
    expect(stdout).toContain('Containers can run here.');
    expect(code).toBe(0);
    for (const line of stdout.split('\n').slice(0, -2)) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout.trim().split('\n').at(-1)).toMatch(/^ts-dock [\d.]+ can run containers \| root \| Node /);
    expect(await settle(before, take, 3_000)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('the one line alone', async () => {
    const { stdout } = await ask(process.execPath, bundle, '--root', root, 'doctor', '--summary');
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stdout).toContain(' | overlay | ');
  });

  test('without root it looks at what it can and says what it could not', async () => {
    const { code, stdout } = await ask(
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      bundle,
      '--root',
      root,
      'doctor',
      '--json',
    );
    expect(code).toBe(1);
    const { runs, findings } = JSON.parse(stdout) as Diagnosis;
    expect(runs).toBe(false);
    const stateOf = Object.fromEntries(findings.map(({ id, state }) => [id, state]));
    expect(stateOf).toMatchObject({
      'program.user': 'missing',
      'program.node': 'ok',
      'kernel.calls': 'ok',
      'storage.overlay': 'unknown',
      'kernel.namespaces': 'unknown',
    });
    expect(findings.filter(({ means }) => means.includes('is not a function'))).toEqual([]);
  });

  test('a root on overlay: the layers cannot be mounted, and it says where to go', async () => {
    for (const name of ['l', 'u', 'w', 'm']) mkdirSync(join(folder, name), { recursive: true });
    const at = (name: string): string => join(folder, name);
    const mount = `mount -t overlay o -o lowerdir=${at('l')},upperdir=${at('u')},workdir=${at('w')} ${at('m')}`;
    const { code, of, told } = await broken(mount, join(at('m'), 'root'));
    expect(code).toBe(1);
    expect(of('storage.root')).toContain('(overlay)');
    expect(of('storage.overlay')).toBe('missing: EINVAL');
    expect(told.summary).toContain('no overlay (EINVAL)');
    expect(readdirSync(at('u'))).toEqual([]);
    for (const name of ['l', 'u', 'w', 'm']) rmSync(at(name), { recursive: true });
  });

  test('/dev/null is a file', async () => {
    writeFileSync(join(folder, 'null'), '');
    const { code, of } = await broken(`mount --bind ${join(folder, 'null')} /dev/null`);
    expect(of('storage.null')).toBe('missing: is not the null device');
    expect(code).toBe(1);
    rmSync(join(folder, 'null'));
  });

  test('no cgroups, /proc/sys read-only, every range taken', async () => {
    const { code, of } = await broken(`
      umount -R -l /sys/fs/cgroup
      echo 0 > /proc/sys/net/ipv4/ip_forward
      mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
      ip link add taken type bridge; ip link set taken up
      for range in 172.16.0.1/12 10.0.0.1/8 192.168.0.1/16; do ip address add $range dev taken; done`);
    expect(of('cgroup.layout')).toBe('missing: none is mounted');
    expect(of('network.forwarding')).toBe('missing: 0, and cannot be set: EROFS');
    expect(of('network.bridge')).toBe('missing: no range is free');
    // Containers run all the same, without limits and without a network.
    expect(code).toBe(0);
  });

  test('Docker on the same host: its policy and its chains are seen', async () => {
    const { of, told } = await broken(
      'iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -t nat -N DOCKER; ip link add docker0 type bridge; ip link add tsd-0badc0de type bridge',
    );
    expect(of('network.forward-policy')).toBe('differs: DROP');
    expect(of('network.docker')).toMatch(
      /^ok: (DOCKER-USER, DOCKER|DOCKER, DOCKER-USER), docker0: left alone$/,
    );
    expect(of('host.others')).toContain('root 0badc0de');
    expect(told.summary).toContain('FORWARD DROP');
  });

  test('without namespaces: it names those that are refused', async () => {
    const { code, of } = await broken(`
      exec unshare --user --map-root-user sh -ec '
        echo 0 > /proc/sys/user/max_ipc_namespaces
        exec "${process.execPath}" "${bundle}" --root "${root}" doctor --json'`);
    expect(of('kernel.namespaces')).toMatch(/^missing: ipc: ENOSPC$/);
    expect(of('kernel.container')).toMatch(/^differs: yes: in a user namespace/);
    expect(code).toBe(1);
  });

  test('a root of somebody else’s', async () => {
    mkdirSync(root);
    writeFileSync(join(root, 'letter'), '');
    const { code, of } = await broken(':');
    expect(of('storage.root')).toBe(`missing: ${root} is not ts-dock’s`);
    expect(code).toBe(1);
    expect(readdirSync(root)).toEqual(['letter']);
    rmSync(root, { recursive: true });
  });
});
