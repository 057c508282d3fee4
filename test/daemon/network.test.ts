/**
 * The host's side of the network, on this kernel: a bridge, rules and leases of our own, and nobody else's touched. walk.ts
 * takes rig/census of the whole host before and after each test, so nothing else may run beside it.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { deleteChain, deleteRule, firewallRecord, forgetFirewall } from '../../src/daemon/firewall.ts';
import { EMPTY_HOST_CONFIG, type NetworkMode } from '../../src/daemon/model.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import type { Bridge, Values } from '../../src/flows/values.ts';
import { binding } from '../../src/kernel/binding.ts';
import { Kernel, type Ran } from '../../src/kernel/kernel.ts';
import { bridge as bridgeStep } from '../../src/steps/0-host/010-bridge.ts';
import { forwarding } from '../../src/steps/0-host/020-forwarding.ts';
import { firewall } from '../../src/steps/0-host/030-firewall.ts';
import { dockerinit } from '../../src/steps/0-host/040-dockerinit.ts';
import { allocateNetwork } from '../../src/steps/2-start/050-allocate-network.ts';
import { network } from '../../src/steps/3-launch/060-network.ts';
import { findProgram, skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { freshRoot, freshWalk, Walk } from './walk.ts';
import { together } from './workers.ts';

const NET: Bridge = { name: 'none', index: 0, address: '198.51.100.1', prefix: 24, mtu: 1500 };
const bare = (): Pick<Values, 'forwarding'> => ({ forwarding: { notes: {} } });

function subject(id: string, mode: NetworkMode = 'bridge'): Values['subject'] {
  return {
    container: { ID: id },
    hostConfig: { ...EMPTY_HOST_CONFIG, NetworkMode: mode },
  } as Values['subject'];
}

async function reasonOf(act: () => unknown): Promise<string> {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error instanceof TsDockError ? error.reason : String(error);
  }
}

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const linksLike = (name: string): string[] =>
  ip('-o', 'link')
    .split('\n')
    .filter((line) => line.includes(`${name}:`));

/** A kernel that counts the programs it ran. */
class Counting extends Kernel {
  readonly ran: string[] = [];
  override exec(file: string, args: readonly string[], input?: string): Ran {
    this.ran.push(file);
    return super.exec(file, args, input);
  }
}

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('ip'))('the bridge', () => {
  test('is made with an address, an alias and a hardware address of its own, and is up', async () => {
    const walk = freshWalk();
    const { bridge } = await walk.step(bridgeStep);
    const seen = ip('-d', 'addr', 'show', walk.place.bridge);
    expect(bridge?.name).toBe(walk.place.bridge);
    expect(seen).toContain(`inet ${bridge!.address}/${bridge!.prefix}`);
    expect(seen).toContain(`alias tsdock:${walk.place.bridge}`);
    expect(seen).toMatch(/<[A-Z,-]*UP[,>]/);
    expect(seen).toMatch(/link\/ether [0-9a-f][26ae]:/);
  });

  test('is found and left as it is by the second run', async () => {
    const walk = freshWalk();
    const first = await walk.step(bridgeStep);
    const before = ip('addr', 'show', walk.place.bridge);
    const second = await walk.step(bridgeStep);
    expect(second).toEqual(first);
    expect(walk.sys.taken().filter(({ call }) => call === 'RTM_NEWLINK')).toHaveLength(1);
    expect(ip('addr', 'show', walk.place.bridge)).toBe(before);
  });

  test('of ours keeps its own address', async () => {
    const walk = freshWalk();
    const { bridge: name } = walk.place;
    ip('link', 'add', name, 'type', 'bridge');
    ip('link', 'set', name, 'alias', `tsdock:${name}`);
    ip('addr', 'add', '198.51.100.1/24', 'dev', name);
    const { bridge } = await walk.step(bridgeStep);
    expect(bridge).toMatchObject({ address: '198.51.100.1', prefix: 24 });
  });

  test('is finished where its making was cut short', async () => {
    const walk = freshWalk();
    ip('link', 'add', walk.place.bridge, 'type', 'bridge');
    const { bridge } = await walk.step(bridgeStep);
    expect(ip('addr', 'show', walk.place.bridge)).toContain(`inet ${bridge!.address}`);
  });

  test.each([
    ['with another alias', (name: string) => ip('link', 'set', name, 'alias', 'mine')],
    ['with an address and no alias', (name: string) => ip('addr', 'add', '198.51.100.1/24', 'dev', name)],
  ])('of somebody else, %s, is refused and stays', async (_, change) => {
    const walk = freshWalk();
    const { bridge: name } = walk.place;
    ip('link', 'add', name, 'type', 'bridge');
    onTestFinished(() => void ip('link', 'delete', name));
    change(name);
    expect(await reasonOf(() => walk.step(bridgeStep))).toBe('network');
    expect(await walk.back()).toEqual([]);
    expect(linksLike(name)).toHaveLength(1);
  });

  test('is one, when eight processes make it at once', async () => {
    const walk = freshWalk();
    walk.plan(bridgeStep);
    const said = await together(Array.from({ length: 8 }, () => ['bridge', walk.place.root]));
    expect(new Set(said.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(linksLike(walk.place.bridge)).toHaveLength(1);
    expect(ip('-o', '-4', 'addr', 'show', walk.place.bridge).trim().split('\n')).toHaveLength(1);
  });

  test('is missing with a warning where the kernel refuses, and only its users fail', async () => {
    const native = () => ({ ...binding(), bridgeCreate: () => ({ call: 'RTM_NEWLINK', errno: 95 }) });
    const walk = freshWalk(new Kernel(native));
    const { bridge } = await walk.step(bridgeStep);
    expect(bridge).toBeNull();
    expect(walk.warnings.join()).toMatch(/--net none and --net host.*EOPNOTSUPP/);
    expect(await walk.step(forwarding, { bridge })).toEqual({ forwarding: { notes: { asked: false } } });
    expect(await walk.step(allocateNetwork, { subject: subject('c', 'none'), bridge })).toMatchObject({
      lease: { mode: 'none', address: '' },
    });
    expect(await reasonOf(() => walk.step(allocateNetwork, { subject: subject('c'), bridge }))).toBe(
      'network',
    );
  });
});

describe.skipIf(skipUnlessRoot())('forwarding', () => {
  test('is switched on, and back to what it was', async () => {
    const file = '/proc/sys/net/ipv4/ip_forward';
    const before = readFileSync(file, 'utf8');
    const walk = freshWalk();
    await walk.step(forwarding, { bridge: NET });
    expect(readFileSync(file, 'utf8')).toBe('1\n');
    await walk.step(forwarding, { bridge: NET });
    expect(await walk.back()).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
});

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('iptables'))('the firewall', () => {
  const iptables = (...args: string[]): string =>
    execFileSync(findProgram('iptables')!, ['-w', ...args], { encoding: 'utf8' });
  const ours = (chain: string): string[] =>
    execFileSync(findProgram('iptables-save')!, { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(chain));

  test('has a masquerade and three accepts in chains of its own, with one jump to each', async () => {
    const walk = freshWalk();
    await walk.step(firewall, { bridge: NET, ...bare() });
    const { chain } = walk.place;
    expect(ours(chain).sort()).toEqual(
      [
        `:${chain} - [0:0]`,
        `:${chain} - [0:0]`,
        `-A POSTROUTING -m comment --comment "tsdock:${chain}" -j ${chain}`,
        `-A FORWARD -m comment --comment "tsdock:${chain}" -j ${chain}`,
        `-A ${chain} -s 198.51.100.0/24 ! -o none -m comment --comment "tsdock:${chain}" -j MASQUERADE`,
        `-A ${chain} -o none -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "tsdock:${chain}" -j ACCEPT`,
        `-A ${chain} -i none ! -o none -m comment --comment "tsdock:${chain}" -j ACCEPT`,
        `-A ${chain} -i none -o none -m comment --comment "tsdock:${chain}" -j ACCEPT`,
      ].sort(),
    );
  });

  test('starts no program in a later run, and is looked at again when it is to be', async () => {
    const sys = new Counting();
    const walk = freshWalk(sys);
    await walk.step(firewall, { bridge: NET, ...bare() });
    const once = ours(walk.place.chain);
    expect(sys.ran.splice(0).length).toBeGreaterThan(0);
    await walk.step(firewall, { bridge: NET, ...bare() });
    expect(sys.ran).toEqual([]);

    iptables('-t', 'filter', '-F', walk.place.chain);
    forgetFirewall(walk.sys, walk.place);
    await walk.step(firewall, { bridge: NET, ...bare() });
    expect(ours(walk.place.chain)).toEqual(once);
  });

  test('is made again after a reboot, and for another range', async () => {
    const walk = freshWalk();
    await walk.step(firewall, { bridge: NET, ...bare() });
    const record = firewallRecord(walk.place);
    writeFileSync(record, readFileSync(record, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"another"'));
    await walk.step(firewall, { bridge: { ...NET, address: '203.0.113.1' }, ...bare() });
    expect(ours(walk.place.chain).filter((line) => line.includes('-s '))).toEqual([
      expect.stringContaining('-s 203.0.113.0/24'),
    ]);
  });

  test('goes without a trace, and leaves a stranger’s rules alone', async () => {
    const walk = freshWalk();
    const stranger = [
      'POSTROUTING',
      '-s',
      '192.0.2.77',
      '-m',
      'comment',
      '--comment',
      'mine',
      '-j',
      'RETURN',
    ];
    iptables('-t', 'nat', '-A', ...stranger);
    onTestFinished(() => void iptables('-t', 'nat', '-D', ...stranger));
    await walk.step(firewall, { bridge: NET, ...bare() });
    expect(await walk.back()).toEqual([]);
    expect(ours(walk.place.chain)).toEqual([]);
    expect(existsSync(firewallRecord(walk.place))).toBe(false);
    expect(iptables('-t', 'nat', '-S', 'POSTROUTING')).toContain('192.0.2.77');
  });

  test('deletes only what bears its mark, and what is gone without complaint', async () => {
    const sys = new Kernel();
    expect(await reasonOf(() => deleteRule(sys, 'nat', 'POSTROUTING', ['-j', 'ACCEPT']))).toBe('network');
    expect(await reasonOf(() => deleteChain(sys, 'nat', 'DOCKER'))).toBe('network');
    const gone = ['-m', 'comment', '--comment', 'tsdock:TSD-00000000', '-j', 'TSD-00000000'];
    expect(await reasonOf(() => deleteRule(sys, 'nat', 'POSTROUTING', gone))).toBe('none');
    expect(await reasonOf(() => deleteChain(sys, 'nat', 'TSD-00000000'))).toBe('none');
  });

  test('says what will not work without iptables, and the run goes on', async () => {
    class Without extends Kernel {
      override findProgram(): undefined {
        return undefined;
      }
    }
    const walk = freshWalk(new Without());
    expect(await walk.step(firewall, { bridge: NET, ...bare() })).toMatchObject({
      firewall: { notes: { made: 'not' } },
    });
    expect(walk.warnings.join()).toMatch(/nothing beyond.*there is no iptables/);
    expect(walk.undo).toEqual([]);
  });

  test('says what iptables said when it fails, and does not believe that it was done', async () => {
    class Failing extends Kernel {
      override exec(): Ran {
        return { status: 4, stdout: '', stderr: 'iptables-restore: Permission denied\n' };
      }
    }
    const walk = freshWalk(new Failing());
    await walk.step(firewall, { bridge: NET, ...bare() });
    expect(walk.warnings.join()).toContain('Permission denied');
    expect(existsSync(firewallRecord(walk.place))).toBe(false);
  });
});

describe.skipIf(skipUnlessRoot())('a lease', () => {
  const leases = (walk: Walk): string[] => readdirSync(walk.place.leases).sort();

  test('is the next address, one file each, and is free after its release', async () => {
    const walk = freshWalk();
    const give = async (id: string): Promise<string> =>
      (await walk.step(allocateNetwork, { subject: subject(id), bridge: NET })).lease.address;
    expect([await give('a'), await give('b')]).toEqual(['198.51.100.2', '198.51.100.3']);
    expect(readFileSync(join(walk.place.leases, '198.51.100.3'), 'utf8')).toBe('b');
    await walk.back();
    expect(leases(walk)).toEqual([]);
    expect(await give('c')).toBe('198.51.100.4');
  });

  test('has the gateway, the prefix and the mtu of the bridge', async () => {
    const walk = freshWalk();
    expect(await walk.step(allocateNetwork, { subject: subject('a'), bridge: NET })).toEqual({
      lease: {
        mode: 'bridge',
        address: '198.51.100.2',
        prefix: 24,
        gateway: '198.51.100.1',
        bridge: 'none',
        mtu: 1500,
      },
    });
  });

  test.each(['none', 'host'] as const)('is empty for --net %s', async (mode) => {
    const walk = freshWalk();
    const { lease } = await walk.step(allocateNetwork, { subject: subject('a', mode), bridge: NET });
    expect(lease).toEqual({ mode, address: '', prefix: 0, gateway: '', bridge: '', mtu: 0 });
    expect(existsSync(walk.place.leases)).toBe(false);
    expect(walk.undo).toEqual([]);
  });

  test('that somebody took between plan and act is another, and only that one is released', async () => {
    const walk = freshWalk();
    const taken = { subject: subject('late'), bridge: NET };
    const { drawn } = walk.plan(allocateNetwork, taken);
    const other = new Walk(walk.place.root);
    await other.step(allocateNetwork, { subject: subject('early'), bridge: NET });
    const { lease } = await walk.run(allocateNetwork, drawn, taken);
    expect([drawn, lease.address]).toEqual(['198.51.100.2', '198.51.100.3']);
    await walk.back();
    expect(leases(walk)).toEqual(['198.51.100.2']);
  });

  test('that was torn by a kill is nobody’s', async () => {
    const walk = freshWalk();
    mkdirSync(walk.place.leases, { recursive: true });
    writeFileSync(join(walk.place.leases, '198.51.100.2'), '');
    const { lease } = await walk.step(allocateNetwork, { subject: subject('a'), bridge: NET });
    expect(lease.address).toBe('198.51.100.2');
  });

  test('is refused when all are given away', async () => {
    const walk = freshWalk();
    const small = { ...NET, prefix: 30 };
    await walk.step(allocateNetwork, { subject: subject('a'), bridge: small });
    expect(await reasonOf(() => walk.step(allocateNetwork, { subject: subject('b'), bridge: small }))).toBe(
      'network',
    );
  });

  test('is unique when eight processes take ten each', async () => {
    const root = freshRoot();
    const said = await together(Array.from({ length: 8 }, (_, n) => ['lease', root, '10', `p${n}`]));
    const addresses = said.flat();
    expect(addresses).toHaveLength(80);
    expect(new Set(addresses).size).toBe(80);
    expect(readdirSync(new Walk(root).place.leases)).toHaveLength(80);
  });
});

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('unshare'))('the veth pair', () => {
  test('is born with one end in the bridge and the other in the namespace', async () => {
    const walk = freshWalk();
    const { bridge } = await walk.step(bridgeStep);
    const container = subject('0123456789abcdef');
    const { lease } = await walk.step(allocateNetwork, { subject: container, bridge });
    const sys = new Kernel();
    const inside = spawn('unshare', ['--net', 'sh', '-c', 'echo here; cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const over = new Promise((resolve) => inside.once('exit', resolve));
    await new Promise((resolve) => inside.stdout.once('data', resolve));
    const child = { pid: inside.pid!, pidfd: -1 };
    try {
      const { networkState } = await walk.step(network, { child, lease, bridge, subject: container });
      const host = sys.network().links.find(({ name }) => name === networkState.veth_host);
      expect(host).toMatchObject({ master: bridge!.index, alias: 'tsdock:0123456789ab', kind: 'veth' });
      expect(sys.network(child.pid).links.map(({ name }) => name)).toContain(networkState.veth_child);
      expect(networkState.veth_host).toMatch(/^veth[0-9a-f]{7}$/);
    } finally {
      inside.stdin.end();
      await over;
    }
  });

  test('is not made for --net none', async () => {
    const walk = freshWalk();
    const taken = { subject: subject('a', 'none'), bridge: null, child: { pid: 1, pidfd: -1 } };
    const { lease } = await walk.step(allocateNetwork, taken);
    expect(await walk.step(network, { ...taken, lease })).toEqual({ networkState: {} });
    expect(walk.undo).toEqual([]);
  });
});

describe.skipIf(skipUnlessRoot())('the copy of dockerinit', () => {
  test('is private, made once, and made again when it is not the build’s', async () => {
    const walk = freshWalk();
    const { dockerinit: path } = await walk.step(dockerinit);
    const copies = (): number => walk.sys.taken().filter(({ call }) => call === 'copy_file_range').length;
    expect(copies()).toBe(1);
    expect(statSync(path).mode & 0o7777).toBe(0o700);
    await walk.step(dockerinit);
    expect(copies()).toBe(0);
    writeFileSync(path, 'something else', { mode: 0o700 });
    await walk.step(dockerinit);
    expect(copies()).toBe(1);
    const built = readFileSync(join(import.meta.dirname, '../../build/dockerinit'));
    expect(built.equals(readFileSync(path))).toBe(true);
  });
});
