/** What the start stage writes down and works out before anything is launched. */
import { describe, expect, test } from 'vitest';
import { keptCapabilities, KEPT } from '../../src/daemon/capabilities.ts';
import { resolvConfFor } from '../../src/daemon/dns.ts';
import { DEFAULT_PATH, programEnvironment } from '../../src/daemon/environment.ts';
import { checkHostname, hostnameText, hostsText } from '../../src/daemon/hosts.ts';
import { EMPTY_CONFIG, EMPTY_HOST_CONFIG, type Config, type HostConfig } from '../../src/daemon/model.ts';
import { checkSource, parseBind } from '../../src/daemon/volumes.ts';
import type { Reason } from '../../src/engine/failure.ts';
import type { Lease } from '../../src/flows/values.ts';
import { CAPABILITY_NAMES } from '../../src/kernel/capability-names.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const because = (reason: Reason): Error => expect.objectContaining({ reason }) as Error;

describe('resolv.conf', () => {
  const resolv = (host: string | undefined, said: Partial<HostConfig> = {}) =>
    resolvConfFor({ ...EMPTY_HOST_CONFIG, ...said }, host);
  const FALLBACK = 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n';
  const plain = '# ours\nnameserver 10.0.0.53\nsearch corp.test lab.test\noptions ndots:2\n';

  test.each<[string, string | undefined, Partial<HostConfig>, string]>([
    ['is the host’s, word for word', plain, {}, plain],
    ['is the host’s with an IPv6 resolver', 'nameserver fe80::1%eth0\n', {}, 'nameserver fe80::1%eth0\n'],
    [
      'has the resolvers of --dns, the rest is the host’s',
      plain,
      { Dns: ['1.1.1.1', '9.9.9.9'] },
      'nameserver 1.1.1.1\nnameserver 9.9.9.9\nsearch corp.test lab.test\noptions ndots:2\n',
    ],
    [
      'has the search list of --dns-search, the rest is the host’s',
      plain,
      { DnsSearch: ['a.test', 'b.test'] },
      'nameserver 10.0.0.53\nsearch a.test b.test\noptions ndots:2\n',
    ],
    [
      'has no search line where --dns-search is a dot',
      plain,
      { DnsSearch: ['.'] },
      'nameserver 10.0.0.53\noptions ndots:2\n',
    ],
    [
      'has a dot that is not alone',
      plain,
      { DnsSearch: ['.', 'a.test'] },
      'nameserver 10.0.0.53\nsearch . a.test\noptions ndots:2\n',
    ],
    ['has resolvers of the net where the host’s is on loopback', 'nameserver 127.0.0.53\n', {}, FALLBACK],
    ['knows every address of 127/8 for loopback', 'nameserver 127.1.2.3\n', {}, FALLBACK],
    ['knows loopback in IPv6', 'nameserver ::1\n', {}, FALLBACK],
    [
      'keeps those that can be reached beside one on loopback',
      'nameserver 127.0.0.1\nnameserver 10.0.0.53\n',
      {},
      'nameserver 10.0.0.53\n',
    ],
    [
      'has --dns even if the host’s is on loopback',
      'nameserver ::1\n',
      { Dns: ['1.1.1.1'] },
      'nameserver 1.1.1.1\n',
    ],
    [
      'takes --dns at its word, also on loopback',
      plain,
      { Dns: ['127.0.0.1'], DnsSearch: ['.'] },
      'nameserver 127.0.0.1\noptions ndots:2\n',
    ],
    ['has resolvers of the net where the host has no file', undefined, {}, FALLBACK],
    ['has resolvers of the net where the host names none', '# nameserver 10.0.0.1\n', {}, FALLBACK],
    [
      'passes comments over',
      'nameserver 127.0.0.1 # nameserver 10.9.9.9\n;nameserver 10.8.8.8\n',
      {},
      FALLBACK,
    ],
    [
      'keeps all options lines, the search list of the last line',
      'options a\nsearch old.test\nnameserver 127.0.0.53\nsearch\tnew.test  two.test\noptions b\n',
      {},
      `${FALLBACK}search new.test two.test\noptions a\noptions b\n`,
    ],
    [
      'is the host’s with --net host, also on loopback',
      'nameserver 127.0.0.53\n',
      { NetworkMode: 'host' },
      'nameserver 127.0.0.53\n',
    ],
    ['is empty with --net host where the host has no file', undefined, { NetworkMode: 'host' }, ''],
    ['is made for --net none as for bridge', 'nameserver 127.0.0.53\n', { NetworkMode: 'none' }, FALLBACK],
  ])('%s', (_what, host, said, expected) => {
    expect(resolv(host, said).text).toBe(expected);
  });

  test('says which resolvers it has, and why', () => {
    expect(resolv(plain)).toMatchObject({ nameservers: ['10.0.0.53'] });
    expect(resolv('nameserver 127.0.0.53\n')).toMatchObject({
      nameservers: ['8.8.8.8', '8.8.4.4'],
      why: expect.stringContaining('127.0.0.53') as string,
    });
    expect(resolv(plain, { Dns: ['1.1.1.1'] }).why).toContain('--dns');
    expect(resolv(plain, { DnsSearch: ['x'] }).why).toContain('--dns-search');
  });
});

const none: Lease = { mode: 'none', address: '', prefix: 0, gateway: '', bridge: '', mtu: 0 };
const leased: Lease = { ...none, mode: 'bridge', address: '172.17.0.2', prefix: 16 };

describe('hosts and hostname', () => {
  const named = (Hostname: string, Domainname = ''): Config => ({ ...EMPTY_CONFIG, Hostname, Domainname });
  const REST = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'ff00::0\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
    '',
  ].join('\n');

  test.each<[string, Config, Lease, string, string]>([
    ['have the name at its address', named('box'), leased, 'box\n', '172.17.0.2\tbox\n'],
    ['have the name on loopback where there is no address', named('box'), none, 'box\n', '127.0.1.1\tbox\n'],
    [
      'have the full name, then the short',
      named('box', 'x.test'),
      leased,
      'box.x.test\n',
      '172.17.0.2\tbox.x.test box\n',
    ],
    ['may have dots in the name', named('a.b'), leased, 'a.b\n', '172.17.0.2\ta.b\n'],
  ])('%s', (_what, config, lease, hostname, first) => {
    expect(hostnameText(config)).toBe(hostname);
    expect(hostsText(config, lease)).toBe(first + REST);
  });

  const hostile = [
    'a\n6.6.6.6 bank.test',
    'a b',
    'a\tb',
    'a#b',
    '',
    '-a',
    'a-',
    '.a',
    'a/b',
    'ä',
    'a\0',
    'a\r',
    'x'.repeat(254),
  ];
  test.each(hostile)('refuse %j for a name', (name) => {
    expect(() => checkHostname(name)).toThrow(because('bad-config'));
    expect(() => hostsText(named(name), leased)).toThrow(because('bad-config'));
    expect(() => hostnameText(named(name))).toThrow(because('bad-config'));
  });
  test.each(hostile.filter((name) => name !== '' && !/^[.-]/.test(name)))(
    'refuse %j for a domain',
    (name) => {
      expect(() => hostsText(named('box', name), leased)).toThrow(because('bad-config'));
    },
  );

  test('would have a line of the name’s own, were it not refused (positive control)', () => {
    const name = 'a\n6.6.6.6 bank.test';
    const naive = `${leased.address}\t${name}\n`;
    expect(naive.split('\n')).toContain('6.6.6.6 bank.test');
  });
});

describe('-v', () => {
  test.each<[string, string, string, boolean]>([
    ['/a:/b', '/a', '/b', true],
    ['/a:/b:rw', '/a', '/b', true],
    ['/a:/b:ro', '/a', '/b', false],
    ['/a/:/b/', '/a', '/b', true],
    ['/a/../c:/x//y/./z', '/c', '/x/y/z', true],
    ['/:/host', '/', '/host', true],
    ['/a:/procedure', '/a', '/procedure', true],
    ['/a:/system/x', '/a', '/system/x', true],
    ['/proc:/p', '/proc', '/p', true],
    ['/a b:/c d', '/a b', '/c d', true],
    ['/a:/../../b', '/a', '/b', true],
  ])('%s means %s at %s, writable: %s', (text, source, destination, writable) => {
    expect(parseBind(text)).toEqual({ source, destination, writable });
  });

  test.each([
    ...['', '/a', ':', '/a:', ':/b', '/a:/b:ro:x', '/a:/b:'],
    ...['a:/b', './a:/b', '/a:b', '/a:.', '/a:../b'],
    ...['/a:/b:RO', '/a:/b:z', '/a:/b:r0', '/a:/b: ro', '/a:/b:ro,z'],
    ...['/a:/', '/a://', '/a:/.', '/a:/b/..', '/a:/../..'],
    ...[
      '/a:/proc',
      '/a:/proc/',
      '/a:/proc/self/attr',
      '/a://proc',
      '/a:/x/../proc',
      '/a:/./sys',
      '/a:/sys/fs/cgroup',
    ],
  ])('refuses %j', (text) => {
    expect(() => parseBind(text)).toThrow(because('bad-config'));
  });

  test('takes what is there for a source, a file or a folder, and refuses what is not', () => {
    const sys = new Kernel();
    const check = (source: string): void => {
      checkSource(sys, { source, destination: '/x', writable: true });
    };
    check('/etc');
    check('/etc/passwd');
    expect(() => {
      check('/no/such/source');
    }).toThrow(because('missing-source'));
    expect(() => {
      check('/etc/passwd/below');
    }).toThrow(because('missing-source'));
  });
});

describe('capabilities', () => {
  const ALL = CAPABILITY_NAMES.map((name) => name.replace(/^CAP_/, ''));
  const but = (names: readonly string[], ...gone: string[]): string[] =>
    names.filter((n) => !gone.includes(n));

  test.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['are Docker’s fourteen', [], [], KEPT],
    ['may be added to', ['NET_ADMIN'], [], [...KEPT, 'NET_ADMIN']],
    ['are not added twice', ['CHOWN', 'CHOWN'], [], KEPT],
    ['may be dropped', [], ['MKNOD', 'KILL'], but(KEPT, 'MKNOD', 'KILL')],
    ['may be dropped although they are not there', [], ['SYS_ADMIN'], KEPT],
    ['go all with all', [], ['all'], []],
    ['come all with all', ['all'], [], ALL],
    ['come all but one', ['ALL'], ['SYS_ADMIN'], but(ALL, 'SYS_ADMIN')],
    ['go all but one', ['NET_ADMIN'], ['ALL'], ['NET_ADMIN']],
    ['go all where all is both added and dropped, as in Docker', ['all'], ['all'], []],
    ['are there where one is both added and dropped, as in Docker', ['MKNOD'], ['MKNOD'], KEPT],
    [
      'are known in small letters and with CAP_',
      ['cap_net_admin'],
      ['Cap_Mknod'],
      [...but(KEPT, 'MKNOD'), 'NET_ADMIN'],
    ],
  ])('%s', (_what, add, drop, expected) => {
    const kept = keptCapabilities(add, drop);
    expect([...kept].sort()).toEqual([...expected].sort());
    expect(kept).toEqual(ALL.filter((name) => kept.includes(name)));
  });

  test.each(['', 'NOBODY', 'CAP_', 'CAP_CAP_KILL', 'KILL ', '__proto__'])('named %j are refused', (name) => {
    expect(() => keptCapabilities([name], [])).toThrow(because('bad-usage'));
    expect(() => keptCapabilities([], [name])).toThrow(because('bad-usage'));
  });

  test('are kept by a list of what is allowed: the ones that open the host are not in it', () => {
    const dangerous = [
      'DAC_READ_SEARCH',
      'SYS_ADMIN',
      'SYS_MODULE',
      'SYS_RAWIO',
      'SYS_PTRACE',
      'NET_ADMIN',
      'SYS_BOOT',
    ];
    expect(keptCapabilities([], []).filter((name) => dangerous.includes(name))).toEqual([]);
  });
});

describe('the program’s environment', () => {
  const made = (said: Partial<Config>, traceparent = '00-t-s-01'): string[] =>
    programEnvironment({ ...EMPTY_CONFIG, Hostname: 'box', ...said }, traceparent);
  const FIRST = [`PATH=${DEFAULT_PATH}`, 'HOSTNAME=box'];
  const LAST = 'TRACEPARENT=00-t-s-01';

  test.each<[string, Partial<Config>, readonly string[]]>([
    ['has defaults', {}, [...FIRST, LAST]],
    ['has TERM with a terminal', { Tty: true }, [...FIRST, 'TERM=xterm', LAST]],
    ['has new names behind, in their order', { Env: ['Z=1', 'A=2'] }, [...FIRST, LAST, 'Z=1', 'A=2']],
    ['has a default replaced in its place', { Env: ['A=1', 'PATH=/x'] }, ['PATH=/x', FIRST[1]!, LAST, 'A=1']],
    ['has the last of two values', { Env: ['A=1', 'B=2', 'A=3'] }, [...FIRST, LAST, 'A=3', 'B=2']],
    ['has values with = in them, and empty ones', { Env: ['A=x=y', 'B='] }, [...FIRST, LAST, 'A=x=y', 'B=']],
    ['has a trace of the user’s', { Env: ['TRACEPARENT=mine'] }, [...FIRST, 'TRACEPARENT=mine']],
    ['has a terminal of the user’s', { Tty: true, Env: ['TERM=dumb'] }, [...FIRST, 'TERM=dumb', LAST]],
    [
      'has names that objects have',
      { Env: ['__proto__=1', 'constructor=2'] },
      [...FIRST, LAST, '__proto__=1', 'constructor=2'],
    ],
  ])('%s', (_what, said, expected) => {
    expect(made(said)).toEqual(expected);
  });

  test('leaves HOME to dockerinit, which knows the container’s own passwd', () => {
    expect(made({}).some((entry) => entry.startsWith('HOME='))).toBe(false);
  });
});
