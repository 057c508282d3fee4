/**
 * Images that were made to reach the host: links, fifos and folders where the daemon and dockerinit make or mount things.
 * Each is really run. Afterwards a folder beside the store, which the links lead to, must be as it was.
 *
 * Each class has its positive control: what is planted in the image is planted in a sacrificial tree too, and the naive
 * way (paths joined and followed, as in Docker 1.2.0) does change the sacrificial victim there.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storeImage } from '../../src/daemon/images.ts';
import { adoptLayer } from '../../src/daemon/layers.ts';
import type { Config } from '../../src/daemon/model.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { makeDir, scratchFolder } from '../../src/daemon/store.ts';
import { lookupImage, setTag } from '../../src/daemon/tags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const sys = new Kernel();

/** Puts what is hostile into the tree of a layer; `victim` is a folder of the host, `at` where the tree will be seen. */
type Plant = (tree: string, victim: string, at: string) => void;

const absolute =
  (...names: string[]): Plant =>
  (tree, victim) => {
    for (const name of names) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      symlinkSync(victim, join(tree, name));
    }
  };
/** As many `..` as lead from where the root is mounted to the victim. */
const upwards =
  (...names: string[]): Plant =>
  (tree, victim, at) => {
    for (const name of names) {
      mkdirSync(dirname(join(tree, name)), { recursive: true });
      symlinkSync(relative(dirname(join(at, name)), victim), join(tree, name));
    }
  };
const both = [
  ['absolute', absolute],
  ['relative', upwards],
] as const;

function makeVictim(folder: string): string {
  mkdirSync(join(folder, 'sub'), { recursive: true, mode: 0o750 });
  for (const name of ['hosts', 'resolv.conf', 'hostname', 'null', 'pts', 'file'])
    writeFileSync(join(folder, name), `of the host: ${name}`, { mode: 0o640 });
  return folder;
}

/** Names, kinds, modes, owners and content: all that could have been changed. */
function witness(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .concat('.')
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const { mode, uid, gid, ctimeMs } = lstatSync(path);
      const content = lstatSync(path).isFile()
        ? readFileSync(path, 'utf8')
        : lstatSync(path).isSymbolicLink()
          ? readlinkSync(path)
          : '';
      return [name, mode.toString(8), uid, gid, ctimeMs, content].join(' | ');
    });
}

interface Case {
  readonly plant: Plant;
  readonly config?: Partial<Config>;
  readonly options?: (box: Sandbox) => readonly string[];
  readonly script?: string;
}

interface Told {
  readonly done: Done;
  /** Reason and step of the failure, as the journal has them. */
  readonly failed: { readonly step: string; readonly reason: string } | undefined;
  readonly box: Sandbox;
  /** Undefined: as before. */
  readonly changed: { readonly before: string[]; readonly after: string[] } | undefined;
}

async function runHostile({ plant, config = {}, options, script = 'echo ran' }: Case): Promise<Told> {
  const box = await sandbox();
  const place = placeOf(box.root);
  expect((await box.run(['run', '--rm', 'base', 'true'])).code).toBe(0);
  const victim = makeVictim(join(box.folder, 'victim'));

  const parent = lookupImage(sys, place, 'base').id;
  const id = createHash('sha256').update('hostile').digest('hex');
  const staged = scratchFolder(sys, place, 'hostile');
  const diff = join(staged, 'diff');
  makeDir(sys, diff, 0o755);
  plant(diff, victim, join(place.overlay, 'mnt', id));
  adoptLayer(sys, place, id, staged);
  storeImage(sys, place, { id, parent, created: '', config, Size: 0 });
  setTag(sys, place, 'hostile', 'latest', id);

  const before = witness(victim);
  const journals = new Set(readdirSync(place.journal));
  const done = await box.run([
    'run',
    '--rm',
    '--net',
    'none',
    ...(options?.(box) ?? []),
    'hostile',
    'sh',
    '-c',
    script,
  ]);
  const after = witness(victim);
  const lines = readdirSync(place.journal)
    .filter((name) => !journals.has(name))
    .flatMap((run) =>
      readFileSync(join(place.journal, run, 'journal.jsonl'), 'utf8')
        .trim()
        .split('\n'),
    );
  const failed = lines
    .map((line) => JSON.parse(line) as { k: string; step: string; reason: string })
    .find(({ k }) => k === 'fail');
  expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  const same = JSON.stringify(before) === JSON.stringify(after);
  return { done, failed, box, changed: same ? undefined : { before, after } };
}

/** The same plant in a tree that nothing guards, and the naive way through it. True when the victim was changed. */
async function naively(plant: Plant, act: (tree: string) => void): Promise<boolean> {
  const box = await sandbox();
  const victim = makeVictim(join(box.folder, 'sacrificed'));
  const tree = join(box.folder, 'naive', 'tree');
  mkdirSync(tree, { recursive: true });
  plant(tree, victim, tree);
  const before = witness(victim);
  act(tree);
  return JSON.stringify(before) !== JSON.stringify(witness(victim));
}

describe.skipIf(skipUnlessRoot())('an image whose own folder is a link to the host', () => {
  const looks: Readonly<Record<string, string>> = {
    '/etc': 'cat /etc/hostname /etc/hosts /etc/resolv.conf > /dev/null && test ! -L /etc && touch /etc/new',
    '/dev': 'echo x > /dev/null && test -c /dev/zero && test ! -L /dev && touch /dev/shm/new',
    '/proc': 'test -r /proc/1/status && test ! -L /proc',
    '/sys': 'test ! -L /sys',
  };
  const cases = both.flatMap(([kind, link]) => Object.keys(looks).map((path) => [kind, path, link] as const));

  it.each(cases)('(%s, %s) runs with a folder of its own there', async (_kind, path, link) => {
    const { done, changed } = await runHostile({
      plant: link(path),
      script: `${looks[path] ?? ''} && echo ran`,
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it('has all of them at once, and runs', async () => {
    const { done, changed } = await runHostile({ plant: absolute(...Object.keys(looks), '/tmp') });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 0, stdout: 'ran\n' });
  });

  it.each(both)('(%s): the naive way writes to the host (positive control)', async (_kind, link) => {
    const etc = (tree: string): void => {
      writeFileSync(join(tree, 'etc/hosts'), 'ours');
    };
    const dev = (tree: string): void => {
      mkdirSync(join(tree, 'dev/shm'));
    };
    expect(await naively(link('/etc'), etc)).toBe(true);
    expect(await naively(link('/dev'), dev)).toBe(true);
  });
});

describe.skipIf(skipUnlessRoot())('an image whose /tmp is a link to the host', () => {
  const into: readonly [string, Omit<Case, 'plant'>][] = [
    ['a working directory', { config: { WorkingDir: '/tmp/made' } }],
    ['a volume of the image', { config: { Volumes: { '/tmp/made': {} } } }],
    ['a volume of the user', { options: (box) => ['-v', `${box.folder}:/tmp/made`] }],
  ];

  // A relative link ends at the root of the container, where the victim's name is not there; an absolute one likewise.
  it.each(both.flatMap(([kind, link]) => into.map(([what, how]) => [kind, what, link, how] as const)))(
    '(%s) does not get %s made there',
    async (_kind, _what, link, how) => {
      const { done, failed, changed } = await runHostile({ plant: link('/tmp'), ...how });
      expect(changed).toBeUndefined();
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(failed).toMatchObject({ reason: expect.stringMatching(/^(bad-config|init-failed)$/) as string });
    },
  );

  it.each(both)('(%s): the naive way makes it on the host (positive control)', async (_kind, link) => {
    const made = await naively(link('/tmp'), (tree) =>
      mkdirSync(join(tree, 'tmp/made'), { recursive: true }),
    );
    expect(made).toBe(true);
  });
});

describe.skipIf(skipUnlessRoot())('an image that has in place of the daemon’s files', () => {
  const fifo: Plant = (tree) => {
    mkdirSync(join(tree, 'etc'));
    for (const name of ['hosts', 'hostname', 'resolv.conf'])
      execFileSync('mkfifo', [join(tree, 'etc', name)]);
  };
  const folders: Plant = (tree) => {
    for (const name of ['etc/hosts', 'etc/hostname/x', 'etc/resolv.conf', '.dockerinit', 'etc/mtab'])
      mkdirSync(join(tree, name), { recursive: true });
  };
  const links =
    (to: (victim: string) => string): Plant =>
    (tree, victim) => {
      mkdirSync(join(tree, 'etc'));
      for (const name of ['hosts', 'hostname', 'resolv.conf'])
        symlinkSync(to(join(victim, name)), join(tree, 'etc', name));
    };
  const device: Plant = (tree) => {
    mkdirSync(join(tree, 'etc'));
    execFileSync('mknod', [join(tree, 'etc', 'hosts'), 'c', '1', '5']);
  };

  it.each<[string, Plant]>([
    ['links to files of the host', links((path) => path)],
    ['links to files that are not there', links((path) => `${path}.new`)],
    ['links in a circle', links(() => 'hosts')],
    ['fifos', fifo],
    ['folders', folders],
    ['a device', device],
  ])('%s, runs with the daemon’s', async (_what, plant) => {
    const { done, changed } = await runHostile({
      plant,
      options: () => ['-h', 'inside'],
      script:
        'cat /etc/hostname; grep -c inside /etc/hosts; test -f /etc/resolv.conf; echo "127.9.9.9 x" >> /etc/hosts && echo ran',
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 0, stdout: 'inside\n1\nran\n' });
  });

  it.each<[string, Plant]>([
    ['links to files', links((path) => path)],
    ['links to files that are not there', links((path) => `${path}.new`)],
  ])('%s: the naive way writes to the host (positive control)', async (_what, plant) => {
    expect(
      await naively(plant, (tree) => {
        writeFileSync(join(tree, 'etc/hosts'), 'ours');
      }),
    ).toBe(true);
  });

  it('fifos: the naive way would wait for a reader (positive control)', async () => {
    const open = (tree: string): number =>
      openSync(join(tree, 'etc/hosts'), constants.O_WRONLY | constants.O_NONBLOCK);
    await naively(fifo, (tree) => {
      // ENXIO: nobody reads; without O_NONBLOCK the daemon would stand here.
      expect(() => open(tree)).toThrow(/ENXIO/);
    });
  });
});

describe.skipIf(skipUnlessRoot())('a working directory', () => {
  it.each<[string, Plant, string, string]>([
    ['an absolute link to the host', absolute('/work'), '/work/made', 'start.workdir'],
    ['a relative link to the host', upwards('/work'), '/work/made', 'start.workdir'],
    ['a link to what is not there', absolute('/work'), '/work', 'start.workdir'],
    [
      'a link to itself',
      (tree) => {
        symlinkSync('/work', join(tree, 'work'));
      },
      '/work/made',
      'start.workdir',
    ],
    [
      'a file',
      (tree) => {
        writeFileSync(join(tree, 'work'), '');
      },
      '/work/made',
      'start.workdir',
    ],
  ])('through %s is refused', async (_what, plant, WorkingDir, step) => {
    const { done, failed, changed } = await runHostile({ plant, config: { WorkingDir } });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(failed).toMatchObject({ step, reason: 'bad-config' });
  });

  it('through a link that leads to /victim is made in the container’s /victim', async () => {
    const plant: Plant = (tree) => {
      mkdirSync(join(tree, 'victim'));
      symlinkSync('/../../victim', join(tree, 'work'));
    };
    const { done, changed } = await runHostile({
      plant,
      config: { WorkingDir: '/work/made' },
      script: 'cd /victim/made && pwd',
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 0, stdout: '/victim/made\n' });
  });

  it.each(both)(
    'through a link (%s): the naive way makes it on the host (positive control)',
    async (_kind, link) => {
      expect(
        await naively(link('/work'), (tree) => {
          mkdirSync(join(tree, 'work/made'));
        }),
      ).toBe(true);
    },
  );

  const fds = [3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20];
  it.each(fds)('of /proc/self/fd/%i is no way out (CVE-2024-21626)', async (fd) => {
    const { done, failed, changed } = await runHostile({
      plant: () => undefined,
      config: { WorkingDir: `/proc/self/fd/${fd}` },
      script: 'ls -a; touch made; touch ../../made; echo ran',
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(failed).toMatchObject({ reason: 'init-failed' });
  });

  const magic: Plant = (tree, victim) => {
    symlinkSync(`/proc/self/fd/${victim}`, join(tree, 'work'));
  };
  it('through a link to /proc/self/fd/5 is no way out', async () => {
    const { done, failed, changed } = await runHostile({
      plant: (tree, _victim, at) => {
        magic(tree, '5', at);
      },
      config: { WorkingDir: '/work/made' },
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(failed).toMatchObject({ step: 'start.workdir', reason: 'bad-config' });
  });

  it('through a link to a descriptor: the naive way makes it on the host (positive control)', async () => {
    let fd = -1;
    const plant: Plant = (tree, victim, at) => {
      fd = openSync(victim, constants.O_RDONLY | constants.O_DIRECTORY);
      magic(tree, fd.toString(), at);
    };
    try {
      expect(
        await naively(plant, (tree) => {
          mkdirSync(join(tree, 'work/made'));
        }),
      ).toBe(true);
    } finally {
      closeSync(fd);
    }
  });
});

describe.skipIf(skipUnlessRoot())('the destination of a volume', () => {
  const write = 'echo x > /data/new; touch /data/sub/new; echo ran';
  const ways: readonly [string, Omit<Case, 'plant'>][] = [
    ['the image’s', { config: { Volumes: { '/data': {} } } }],
    ['the user’s', { options: (box) => ['-v', `${box.root}/tmp:/data`] }],
    ['a file of the user’s', { options: (box) => ['-v', `${box.root}/format:/data`] }],
  ];

  it.each(both.flatMap(([kind, link]) => ways.map(([whose, how]) => [kind, whose, link, how] as const)))(
    'that is a link to the host (%s, %s) is refused',
    async (_kind, _whose, link, how) => {
      const { done, failed, changed } = await runHostile({ plant: link('/data'), ...how, script: write });
      expect(changed).toBeUndefined();
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(failed).toMatchObject({ reason: 'init-failed' });
      expect(done.stderr).toContain('/data');
    },
  );

  it('that is a link within the image is where that leads', async () => {
    const plant: Plant = (tree) => {
      mkdirSync(join(tree, 'srv'));
      symlinkSync('/../srv', join(tree, 'data'));
    };
    const { done, changed } = await runHostile({
      plant,
      config: { Volumes: { '/data': {} } },
      script: 'echo x > /data/new && cat /srv/new',
    });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 0, stdout: 'x\n' });
  });

  it.each([
    '/',
    '/.',
    '/..',
    '/proc',
    '/proc/self/attr',
    '/x/../proc',
    '/sys',
    '/sys/fs/cgroup',
    '/to-proc',
    '/to-root',
  ])('that the image wants at %s is refused (CVE-2015-3631)', async (destination) => {
    const plant: Plant = (tree) => {
      symlinkSync('/proc', join(tree, 'to-proc'));
      symlinkSync('/', join(tree, 'to-root'));
      mkdirSync(join(tree, 'x'));
    };
    const { done, failed, changed } = await runHostile({ plant, config: { Volumes: { [destination]: {} } } });
    expect(changed).toBeUndefined();
    expect(done).toMatchObject({ code: 125, stdout: '' });
    // What the spelling does not tell, dockerinit finds.
    expect(failed).toMatchObject({
      reason: destination.startsWith('/to-') ? 'init-failed' : 'bad-image',
    });
  });

  it.each(['', 'data', '../victim', '__proto__', 'constructor'])(
    'that the image wants at %j is refused: it is not absolute',
    async (destination) => {
      const { done, failed, changed } = await runHostile({
        plant: () => undefined,
        config: { Volumes: Object.fromEntries([[destination, {}]]) },
      });
      expect(changed).toBeUndefined();
      expect(done).toMatchObject({ code: 125, stdout: '' });
      expect(failed).toMatchObject({ step: 'start.volumes', reason: 'bad-image' });
    },
  );

  it('that the image and the user write differently is one, and the user’s', async () => {
    const { done } = await runHostile({
      plant: () => undefined,
      config: { Volumes: { '/data/': {}, '/x/../data': {} } },
      options: (box) => ['-v', `${box.root}/graph:/data`],
      script: 'grep -c " /data " /proc/self/mountinfo; ls -d /data/*/ | head -n 1 | wc -l',
    });
    expect(done).toMatchObject({ code: 0, stdout: '1\n1\n' });
  });

  it.each(both)(
    'that is a link (%s): the naive way writes to the host (positive control)',
    async (_kind, link) => {
      expect(
        await naively(link('/data'), (tree) => {
          mkdirSync(join(tree, 'data/new'));
        }),
      ).toBe(true);
      expect(
        await naively(link('/data'), (tree) => {
          writeFileSync(join(tree, 'data/file'), 'x');
        }),
      ).toBe(true);
    },
  );
});
