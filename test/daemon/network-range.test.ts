/** Which addresses: what the host uses already is met by nobody, and what is given is given once. */
import { describe, expect, test } from 'vitest';
import { CANDIDATES, chooseRange, rangesInUse, resolvers } from '../../src/daemon/bridge.ts';
import { formatIpv4, overlaps, parseIpv4, rangeText } from '../../src/daemon/ipv4.ts';
import { findAddress } from '../../src/daemon/leases.ts';
import type { Bridge } from '../../src/flows/values.ts';
import type { NetworkDump, Route } from '../../src/kernel/binding.ts';

const range = (text: string) => {
  const [address = '', prefix = ''] = text.split('/');
  return { address, prefix: Number(prefix) };
};
const route = (text: string, more: Partial<Route> = {}): Route => {
  const { address: destination, prefix } = range(text);
  return { family: 'inet', destination, prefix, gateway: '', link: 1, table: 254, ...more };
};
const dump = (routes: readonly Route[], addresses: NetworkDump['addresses'] = []): NetworkDump => ({
  links: [],
  addresses,
  routes,
});

describe('an IPv4 address', () => {
  test.each(['0.0.0.0', '172.17.42.1', '255.255.255.255'])('%s stays itself', (text) => {
    expect(formatIpv4(parseIpv4(text)!)).toBe(text);
  });
  test.each(['1.2.3', '1.2.3.256', '1.2.3.4.5', 'fe80::1', '', '1.2.3.x', '0x1.2.3.4'])(
    'is not %j',
    (text) => {
      expect(parseIpv4(text)).toBeUndefined();
    },
  );
  test('in its range is written by the range’s first', () => {
    expect(rangeText(range('172.17.42.1/16'))).toBe('172.17.0.0/16');
    expect(rangeText(range('192.168.42.130/25'))).toBe('192.168.42.128/25');
  });
});

describe('two ranges overlap', () => {
  test.each([
    ['10.0.0.0/8', '10.1.42.1/16', true],
    ['10.1.42.1/16', '10.0.0.0/8', true],
    ['172.16.42.1/24', '172.16.42.255/32', true],
    ['172.16.42.1/24', '172.16.43.0/32', false],
    ['0.0.0.0/0', '192.168.42.1/24', true],
    ['255.255.255.255/32', '0.0.0.0/1', false],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(overlaps(range(a), range(b))).toBe(expected);
  });
});

describe('the bridge’s range', () => {
  test('is Docker’s first where nothing is in its way', () => {
    expect(chooseRange([])).toEqual(range('172.17.42.1/16'));
  });

  test('is the next one where a route of the main table meets the first', () => {
    expect(chooseRange(rangesInUse(dump([route('172.16.0.0/12')])))).toEqual(range('10.0.42.1/16'));
  });

  test('does not care for the default route, other tables and IPv6', () => {
    const routes = [
      route('/0'),
      route('172.17.0.0/16', { table: 100 }),
      route('fd00::/8', { family: 'inet6' }),
    ];
    expect(chooseRange(rangesInUse(dump(routes)))).toEqual(range('172.17.42.1/16'));
  });

  test('does not meet the address of a link that is down and has no route', () => {
    const down = [{ link: 7, family: 'inet', address: '172.17.42.1', prefix: 16 } as const];
    expect(chooseRange(rangesInUse(dump([], down)))).toEqual(range('10.0.42.1/16'));
  });

  test('does not meet a resolver', () => {
    const text = '# resolvers\nnameserver 172.17.0.1\n nameserver\t10.0.9.9\nnameserver fe80::1\noptions x\n';
    expect(resolvers(text)).toEqual([range('172.17.0.1/32'), range('10.0.9.9/32')]);
    expect(chooseRange(resolvers(text))).toEqual(range('10.1.42.1/16'));
  });

  test('is the last of the list when all others are in use, and none when all are', () => {
    expect(chooseRange(CANDIDATES.slice(0, -1))).toEqual(range('192.168.44.1/24'));
    expect(chooseRange(CANDIDATES)).toBeUndefined();
    expect(chooseRange([range('0.0.0.0/1'), range('128.0.0.0/1')])).toBeUndefined();
  });
});

describe('the next address', () => {
  const on = (text: string): Bridge => ({ name: 'b', index: 1, mtu: 1500, ...range(text) });
  const next = (bridge: string, taken: readonly string[] = [], last = '') =>
    findAddress(on(bridge), new Set(taken), last);

  test('is 172.17.0.2 for the first container, as in Docker 1.2.0', () => {
    expect(next('172.17.42.1/16')).toBe('172.17.0.2');
  });
  test('comes after the last one given, also when that is free again', () => {
    expect(next('172.17.42.1/16', [], '172.17.0.9')).toBe('172.17.0.10');
  });
  test('is not the bridge’s, and not taken', () => {
    expect(next('10.0.42.5/24', ['10.0.42.4'], '10.0.42.3')).toBe('10.0.42.6');
  });
  test('wraps, without network, first host and broadcast', () => {
    expect(next('10.0.42.1/24', [], '10.0.42.254')).toBe('10.0.42.2');
  });
  test('ignores a last one of another range', () => {
    expect(next('10.0.42.1/24', [], '172.17.0.9')).toBe('10.0.42.2');
    expect(next('10.0.42.1/24', [], 'rubbish')).toBe('10.0.42.2');
  });
  test('is none where all are taken', () => {
    expect(next('10.0.42.1/30', ['10.0.42.2'])).toBeUndefined();
    expect(next('10.0.42.1/30')).toBe('10.0.42.2');
    expect(next('10.0.42.1/32')).toBeUndefined();
  });
});
