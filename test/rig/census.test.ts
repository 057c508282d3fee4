import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { placeOf } from '../../src/daemon/place.ts';
import { diffCensus, linkReaders, settle, takeCensus, type CensusOptions, type Section } from './census.ts';
import { findProgram, skipUnless, skipUnlessProgram, skipUnlessRoot } from './skip.ts';
import { rootHash } from '../../src/daemon/place.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'census-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What the census says of a leak, and that it says nothing before and after it. */
async function leak(
  only: Section,
  make: () => unknown,
  undo: () => unknown,
  options: CensusOptions = {},
): Promise<string[]> {
  const take = () => takeCensus({ ...options, only: [only] });
  const before = take();
  await make();
  let seen: string[];
  try {
    seen = diffCensus(before, take());
  } finally {
    await undo();
  }
  expect(await settle(before, take)).toEqual([]);
  return seen;
}

const cgroupMount = readFileSync('/proc/self/mountinfo', 'utf8')
  .split('\n')
  .filter((line) => / - cgroup2? /.test(line))
  .map((line) => line.split(' ')[4])
  .find((target) => target !== undefined);

describe('a census of nothing happening', () => {
  test('is silent', async () => {
    const before = takeCensus({ files: [folder] });
    expect(await settle(before, () => takeCensus({ files: [folder] }))).toEqual([]);
  });

  test('is silent about what a child did that has ended', async () => {
    const before = takeCensus();
    execFileSync('true');
    expect(await settle(before, () => takeCensus())).toEqual([]);
  });
});

test("a root's own names are known, so that its leaks are not taken for another root's", () => {
  const { bridge, chain, cgroupParent } = placeOf('/some/root');
  for (const name of [bridge, chain, cgroupParent]) expect(name).toContain(`-${rootHash('/some/root')}`);
});

describe('a leaked file', () => {
  const options = () => ({ files: [folder] });

  test('is seen with its size', async () => {
    const path = join(folder, 'left');
    const seen = await leak(
      'file',
      () => writeFileSync(path, 'four', { mode: 0o600 }),
      () => rmSync(path),
      options(),
    );
    const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
    expect(seen).toEqual([`file ${path} is new (file 600 ${owner}, 4 bytes)`]);
  });

  test('that only grew is seen, unless it is a journal', async () => {
    const [grown, journal] = [join(folder, 'grown'), join(folder, 'journal', 'run')];
    mkdirSync(join(folder, 'journal'));
    for (const path of [grown, journal]) writeFileSync(path, '');
    const write = (text: string) => () => [grown, journal].forEach((path) => writeFileSync(path, text));
    const seen = await leak('file', write('more'), write(''), options());
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatch(/grown was: .* 0 bytes; is: .* 4 bytes/);
  });

  test('is seen as a link with its target, which is not followed', async () => {
    const path = join(folder, 'link');
    const seen = await leak(
      'file',
      () => symlinkSync('/etc', path),
      () => rmSync(path),
      options(),
    );
    expect(seen).toEqual([`file ${path} is new (link to /etc)`]);
  });

  test('can be left out', async () => {
    const path = join(folder, 'linkgraph.db');
    const seen = await leak(
      'file',
      () => writeFileSync(path, ''),
      () => rmSync(path),
      { ...options(), except: (inside) => inside === 'linkgraph.db' },
    );
    expect(seen).toEqual([]);
  });

  test('that is gone is missed', async () => {
    const path = join(folder, 'mine');
    writeFileSync(path, '');
    const seen = await leak(
      'file',
      () => rmSync(path),
      () => writeFileSync(path, ''),
      options(),
    );
    expect(seen[0]).toMatch(/mine is gone/);
  });
});

test('a leaked descriptor is seen', async () => {
  let fd = -1;
  const path = join(folder, 'held');
  writeFileSync(path, '');
  const seen = await leak(
    'descriptor',
    () => (fd = openSync(path, 'r')),
    () => closeSync(fd),
  );
  expect(seen).toEqual([`descriptor ${path} is new (1 open)`]);
});

test('a child that still runs is seen, with its command', async () => {
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  const running = takeCensus({ only: ['process'] });
  child.stdin.end();
  await ended;
  const gone = takeCensus({ only: ['process'] });
  expect(diffCensus(gone, running)).toEqual([
    expect.stringMatching(/^process \d+ started at \d+ is new \(cat: cat\)$/),
  ]);
});

test('what differs only for a moment settles', async () => {
  let looks = 0;
  const before = takeCensus({ only: ['setting'] });
  const take = () => {
    looks += 1;
    return looks < 4 ? new Map([['setting' as const, new Map([['x', 'y']])]]) : before;
  };
  expect(await settle(before, take)).toEqual([]);
  expect(looks).toBe(4);
});

test('what does not settle is told after the patience is over', async () => {
  const before = takeCensus({ only: ['setting'] });
  const other = new Map([...before, ['setting' as const, new Map([['x', 'y']])]]);
  expect(await settle(before, () => other, 20)).toContain('setting x is new (y)');
});

describe.skipIf(skipUnlessRoot())('as root', () => {
  test('a leaked mount is seen, twice where it lies twice', async () => {
    const place = join(folder, 'a place');
    mkdirSync(place);
    const mount = () => execFileSync('mount', ['-t', 'tmpfs', 'leak', place]);
    const seen = await leak(
      'mount',
      () => [mount(), mount()],
      () => [1, 2].forEach(() => execFileSync('umount', [place])),
    );
    expect(seen).toHaveLength(2);
    expect(seen[0]).toContain(`mount ${place} is new (tmpfs leak`);
    expect(seen[1]).toContain(`mount ${place} (2) is new`);
  });

  describe.skipIf(skipUnless('no cgroup hierarchy is mounted', cgroupMount !== undefined, 'machine'))(
    'and with cgroups',
    () => {
      const group = (root: string) => join(cgroupMount!, `ts-dock-${rootHash(root)}`);
      const withGroup = (path: string, root: string) =>
        leak(
          'cgroup',
          () => mkdirSync(path),
          () => rmdirSync(path),
          { root },
        );

      test('a leaked cgroup is seen', async () => {
        expect(await withGroup(group(folder), folder)).toEqual([`cgroup ${group(folder)} is new`]);
      });

      test("another root's cgroup is not ours to count", async () => {
        expect(await withGroup(group(folder), '/another/root')).toEqual([]);
      });
    },
  );

  describe.skipIf(skipUnlessProgram('ip'))('and with ip', () => {
    const ip = (...args: string[]) => execFileSync('ip', args);
    const name = () => `tsdt-${randomBytes(4).toString('hex')}`;

    test('a leaked link is seen, with its kind and state', async () => {
      const link = name();
      const seen = await leak(
        'link',
        () => ip('link', 'add', link, 'type', 'bridge'),
        () => ip('link', 'delete', link),
      );
      expect(seen).toEqual([expect.stringMatching(new RegExp(`^link ${link} is new \\(bridge .* down`))]);
    });

    test('a leaked address is seen on a link that was there', async () => {
      const link = name();
      ip('link', 'add', link, 'type', 'bridge');
      try {
        const seen = await leak(
          'link',
          () => ip('address', 'add', '198.51.100.1/24', 'dev', link),
          () => ip('address', 'delete', '198.51.100.1/24', 'dev', link),
        );
        expect(seen).toEqual([expect.stringContaining('198.51.100.1/24')]);
      } finally {
        ip('link', 'delete', link);
      }
    });

    test('the addon and ip say the same of all links', () => {
      const tidy = (links: ReturnType<typeof linkReaders.ip>) =>
        links
          .map((each) => ({ ...each, addresses: [...each.addresses].sort() }))
          .sort((a, b) => (a.name < b.name ? -1 : 1));
      expect(tidy(linkReaders.addon())).toEqual(tidy(linkReaders.ip()));
    });
  });

  test('a network namespace is seen as long as a process keeps it', async () => {
    const child = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    // What cat gives back proves that unshare is over.
    child.stdin.write('ready\n');
    await once(child.stdout, 'data');
    const kept = takeCensus({ only: ['namespace'] });
    child.stdin.end();
    await ended;
    const seen = diffCensus(takeCensus({ only: ['namespace'] }), kept);
    expect(seen).toEqual([expect.stringMatching(/^namespace net:\[\d+\] is new \(kept by \d+ \(cat\)\)$/)]);
  });

  test.skipIf(skipUnlessProgram('iptables'))('a leaked rule and a leaked chain are seen', async () => {
    const chain = `TSDT-${randomBytes(4).toString('hex')}`;
    const iptables = (...args: string[]) => execFileSync(findProgram('iptables')!, ['-w', ...args]);
    const seen = await leak(
      'rule',
      () => {
        iptables('-N', chain);
        iptables('-A', chain, '-s', '198.51.100.1', '-j', 'DROP');
      },
      () => {
        iptables('-F', chain);
        iptables('-X', chain);
      },
    );
    expect(seen).toEqual([
      `rule filter: :${chain} - is new`,
      `rule filter: -A ${chain} -s 198.51.100.1/32 -j DROP is new`,
    ]);
  });
});
