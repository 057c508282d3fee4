/** `cp`: Docker's table of what becomes of which path, what is kept of a file, and containers that cheat meanwhile. */
import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TsDockError } from '../../src/engine/failure.ts';
import { copyWords } from '../../src/cli/copy-paths.ts';
import { copying, swapping, type Copying } from './copy-rig.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const list = ({ sh }: Copying, where: string): string[] =>
  sh(`cd ${where}; find . -mindepth 1 | sort | cut -c3-`).split('\n').filter(Boolean);

async function reasonOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error instanceof TsDockError ? `${error.reason}: ${error.message}` : String(error);
  }
}

describe('the words of cp', () => {
  it.each([
    [['c:/a', 'b'], { direction: 'out', container: 'c', inside: '/a', here: '/w/b' }],
    [['c:a/../b/', '/x/.'], { direction: 'out', container: 'c', inside: '/b/', here: '/x/.' }],
    [['c:/a/.', '-'], { direction: 'out', container: 'c', inside: '/a/.', here: null }],
    [['-', 'c:/'], { direction: 'in', container: 'c', inside: '/', here: null }],
    [['./a:b', 'c:.'], { direction: 'in', container: 'c', inside: '/', here: '/w/a:b' }],
    [['/a:b/', 'c:/../../x'], { direction: 'in', container: 'c', inside: '/x', here: '/a:b/' }],
    [['.', 'c:x:y'], { direction: 'in', container: 'c', inside: '/x:y', here: '/w/.' }],
  ] as const)('%j', ([from, to], words) => {
    expect(copyWords(from, to, '/w')).toEqual(words);
  });

  it.each([
    ['a', 'b', 'CONTAINER:PATH'],
    ['c:/a', 'd:/b', 'between containers'],
    [':/a', 'b', 'empty'],
    ['c:', 'b', 'empty'],
    ['c:/a', '', 'empty'],
  ])('refused: %s to %s', (from, to, why) => {
    expect(() => copyWords(from, to, '/w')).toThrow(why);
  });
});

/** The same on both sides: `s` is where it comes from, `t` where it goes to. */
const SIDES = [
  ['out of a container', 'root', 'here', (c: Copying, from: string, to: string) => c.out(`/${from}`, to)],
  ['into a container', 'here', 'root', (c: Copying, from: string, to: string) => c.into(from, `/${to}`)],
] as const;

describe.skipIf(skipUnlessRoot()).each(SIDES)('a copy %s', (_side, s, t, act) => {
  const setUp = [
    `echo file >${s}/f; mkdir -p ${s}/d/sub; echo in >${s}/d/sub/x; ln -s f ${s}/l; ln -s d ${s}/ld`,
    `mkdir ${t}/there; echo old >${t}/old; ln -s there ${t}/lthere; ln -s old ${t}/lold; ln -s not ${t}/dangling`,
  ].join('\n');
  const before = ['dangling', 'lold', 'lthere', 'old', 'there'];

  it.each([
    ['f', 'new', ['new']],
    ['f', 'there', ['there/f']],
    ['f', 'there/', ['there/f']],
    ['f', 'there/.', ['there/f']],
    ['f', 'there/g', ['there/g']],
    ['f', 'lthere', ['there/f']],
    ['f', 'old', []],
    ['f', 'lold', []],
    ['f', 'dangling', ['not']],
    ['d', 'new', ['new', 'new/sub', 'new/sub/x']],
    ['d', 'new/', ['new', 'new/sub', 'new/sub/x']],
    ['d/', 'there', ['there/d', 'there/d/sub', 'there/d/sub/x']],
    ['d/.', 'there', ['there/sub', 'there/sub/x']],
    ['d/.', 'new', ['new', 'new/sub', 'new/sub/x']],
    ['l', 'new', ['new']],
    ['ld/.', 'there', ['there/sub', 'there/sub/x']],
    ['d/../f', 'new', ['new']],
  ])('of %s to %s', async (from, to, added) => {
    const c = copying(setUp);
    await act(c, from, to);
    expect(list(c, t)).toEqual([...before, ...added].sort());
    if (from === 'l') expect(c.sh(`readlink ${t}/new`)).toBe('f\n');
    if (to === 'old' || to === 'lold') expect(c.sh(`cat ${t}/old`)).toBe('file\n');
  });

  it.each([
    ['none', 'new', 'missing-source', 'there is no such file'],
    ['none/f', 'new', 'missing-source', 'there is no such file'],
    ['f/', 'new', 'copy', 'not a directory'],
    ['f/.', 'there', 'copy', 'not a directory'],
    ['f', 'absent/', 'copy', 'no such directory'],
    ['f', 'absent/new', 'missing-source', 'is not there'],
    ['f', 'old/', 'copy', 'not a directory'],
    ['d', 'old', 'copy', 'cannot become a file'],
    ['d/.', 'old', 'copy', 'cannot become a file'],
    ['f', 'old/new', 'copy', 'not a directory'],
  ])('of %s to %s is refused', async (from, to, reason, why) => {
    const c = copying(setUp);
    const found = await reasonOf(() => act(c, from, to));
    expect(found).toContain(`${reason}: `);
    expect(found).toContain(why);
    expect(list(c, t)).toEqual(before);
  });

  it('does not put a file in the place of a folder, nor a folder in that of a file', async () => {
    const c = copying(`${setUp}\nmkdir -p ${t}/there/f/in; touch ${t}/there/d`);
    expect(await reasonOf(() => act(c, 'f', 'there'))).toContain('copy: cannot copy to');
    expect(await reasonOf(() => act(c, 'd', 'there'))).toContain('copy: cannot copy to');
    expect(list(c, `${t}/there`)).toEqual(['d', 'f', 'f/in']);
  });

  it('keeps holes, hard links, attributes, times, bits and kinds, and gives the files to whom they belong', async () => {
    const c = copying(`cd ${s}; mkdir k; cd k; truncate -s 8M holes; echo x >>holes; echo h >h1; ln h1 h2
      python3 -c "import os; os.setxattr('h1', 'user.who', b'me'); os.utime('holes', ns=(5, 1234567890123456789))"
      mkfifo p; mknod n c 1 3; ln -s /nowhere l; chmod 640 h1; chmod 1777 .; chown 77:78 h1; touch -d 2001-02-03 .`);
    await act(c, 'k', 'copy');
    const seen = c
      .sh(
        `cd ${t}/copy; stat -c '%n %F %a %s %h %u:%g' * ; stat -c '%a %Y' .; stat -c '%.Y' holes; du -k holes | cut -f1
      python3 -c "import os; print(os.getxattr('h2', 'user.who'))"; readlink l`,
      )
      .split('\n');
    const own = t === 'here' ? '1234:1235' : '0:0';
    expect(seen).toEqual([
      `h1 regular file 640 2 2 ${own}`,
      `h2 regular file 640 2 2 ${own}`,
      `holes regular file 644 8388610 1 ${own}`,
      `l symbolic link 777 8 1 ${own}`,
      // Outside, a device is nobody's but root's.
      `n character special file ${t === 'here' ? '600' : '644'} 0 1 ${own}`,
      `p fifo 644 0 1 ${own}`,
      '1777 981158400',
      '1234567890.123456789',
      expect.stringMatching(/^[48]$/),
      "b'me'",
      '/nowhere',
      '',
    ]);
  });

  it('of single things that are no folder', async () => {
    const c =
      copying(`cd ${s}; mkfifo p; mknod n b 8 0; truncate -s 4M holes; echo x >>holes; chown 77:78 holes
      python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('s')"; touch -d @5.25 holes`);
    for (const name of ['p', 'n', 'holes']) await act(c, name, name);
    expect(
      c.sh(`cd ${t}; stat -c '%n %F %s' *; stat -c '%.Y' holes; du -k holes | cut -f1`).split('\n'),
    ).toEqual([
      'holes regular file 4194306',
      'n block special file 0',
      'p fifo 0',
      expect.stringMatching(/^5\.25/),
      expect.stringMatching(/^[48]$/),
      '',
    ]);
    expect(await reasonOf(() => act(c, 's', 's'))).toContain('it is a socket');
  });
});

describe.skipIf(skipUnlessRoot())('owners and rights', () => {
  const made =
    'echo x >SIDE/f; chown 77:78 SIDE/f; chmod 6755 SIDE/f; cp SIDE/f SIDE/own; chown 0:0 SIDE/own; chmod 4755 SIDE/own';
  const look = (c: Copying, where: string): string => c.sh(`cd ${where}; stat -c '%n %a %u:%g' *`);

  it('are those of the source with -a, and lend nothing without', async () => {
    const out = copying(made.replaceAll('SIDE', 'root'));
    for (const name of ['f', 'own']) await out.out(`/${name}`, name, { uid: 0, gid: 0 });
    expect(look(out, 'here')).toBe('f 755 0:0\nown 755 0:0\n');
    await out.out('/f', 'f', { archive: true });
    expect(look(out, 'here')).toBe('f 6755 77:78\nown 755 0:0\n');
    const into = copying(made.replaceAll('SIDE', 'here'));
    for (const name of ['f', 'own']) await into.into(name, `/${name}`);
    expect(look(into, 'root')).toBe('f 755 0:0\nown 4755 0:0\n');
    await into.into('f', '/f', { archive: true });
    expect(look(into, 'root')).toBe('f 6755 77:78\nown 4755 0:0\n');
  });

  it('a link as the source is followed with -L, and keeps its name', async () => {
    const c = copying('mkdir root/d; echo x >root/d/f; ln -s /d/f root/l; ln -s d root/ld');
    await c.out('/l', 'there', { followLinks: true });
    await c.out('/ld', '.', { followLinks: true });
    expect(list(c, 'here')).toEqual(['ld', 'ld/f', 'there']);
    expect(c.sh('cat here/there; stat -c %F here/ld')).toBe('x\ndirectory\n');
  });
});

describe.skipIf(skipUnlessRoot())('a tar archive', () => {
  it('comes out as it is, and goes in again, packed or not', async () => {
    const c = copying(
      'mkdir -p root/d/e; echo x >root/d/e/f; chown -R 77:78 root/d; mkdir root/to root/too root/own',
    );
    const tar = await c.out('/d', null);
    expect(execFileSync('tar', ['tvf', '-', '--numeric-owner'], { input: tar, encoding: 'utf8' })).toMatch(
      /^drwx.* 77\/78 .* d\/\n.* d\/e\/\n.* d\/e\/f\n$/,
    );
    await c.into(null, '/to', {}, tar);
    await c.into(null, '/too/', {}, execFileSync('gzip', { input: tar }));
    await c.into(null, '/own', { archive: true }, tar);
    for (const name of ['to', 'too', 'own']) expect(list(c, `root/${name}`)).toEqual(['d', 'd/e', 'd/e/f']);
    expect(c.sh('stat -c %u:%g root/to/d/e/f root/own/d/e/f')).toBe('0:0\n77:78\n');
    expect(await reasonOf(() => c.into(null, '/to/d/e/f', {}, tar))).toContain('not a directory');
    expect(await reasonOf(() => c.into(null, '/none', {}, tar))).toContain('missing-source: ');
    expect(await reasonOf(() => c.into(null, '/to', {}, tar.subarray(0, 700)))).toContain('bad-archive: ');
  });
});

describe.skipIf(skipUnlessRoot())('a container that exchanges a folder for a link while it is copied', () => {
  const cheat = `mkdir -p victim/sub root/d/sub; echo secret >victim/f; echo secret >victim/sub/f; echo mine >root/d/f; echo mine >root/d/sub/f
    ln -s "$PWD/victim" root/l; mkdir -p here/up/sub; echo new >here/up/f; echo new >here/up/sub/f; echo new >here/one; chmod 700 victim`;
  const ofVictim = (c: Copying): string =>
    c.sh(
      "find victim -printf '%p %i %m %U:%G %T@ %C@ %l\\n' | sort; cat victim/f victim/sub/f; ls -A victim/sub",
    );

  it('breaks out of who checks a path and then uses it: the control', async () => {
    const c = copying(cheat);
    const before = ofVictim(c);
    await swapping(join(c.folder, 'root/d'), join(c.folder, 'root/l'));
    let broken = false;
    for (let n = 0; n < 200_000 && !broken; n += 1) {
      try {
        if (lstatSync(join(c.folder, 'root/d')).isDirectory())
          writeFileSync(join(c.folder, 'root/d/f'), 'new\n');
      } catch {
        // Between the two renames of others there is nothing; here there always is.
      }
      broken = n % 50 === 0 && readFileSync(join(c.folder, 'victim/f'), 'utf8') !== 'secret\n';
    }
    expect(broken).toBe(true);
    expect(ofVictim(c)).not.toBe(before);
  }, 30_000);

  it('gets nothing, in two hundred copies in each direction', async () => {
    const c = copying(cheat);
    const before = ofVictim(c);
    await swapping(join(c.folder, 'root/d'), join(c.folder, 'root/l'));
    const outcomes = new Set<string>();
    for (let n = 0; n < 200; n += 1) {
      const one = n % 2 === 0;
      outcomes.add(await reasonOf(() => (one ? c.out('/d', `got-${n}`) : c.out('/d/f', `got-${n}`))));
      outcomes.add(await reasonOf(() => (one ? c.into('up/.', '/d/') : c.into('one', '/d/f'))));
    }
    expect(c.sh('grep -rl secret here || true')).toBe('');
    expect(ofVictim(c)).toBe(before);
    // It was raced: some went well, and some met the link.
    expect(outcomes).toContain('none');
    expect(outcomes.size).toBeGreaterThan(1);
  }, 60_000);

  it('cannot lead out by links, absolute or not, in any part of a path', async () => {
    const c =
      copying(`mkdir victim; echo secret >victim/f; mkdir -p root/a/b root/proc; ln -s "$PWD/victim" root/abs; ln -s ../../../../../../..$PWD/victim root/a/b/rel
      ln -s /proc/self/root root/magic; echo new >here/f; mkdir here/d; echo x >here/d/f`);
    const before = c.sh("find victim -printf '%p %i %T@ %C@\\n'; cat victim/f");
    for (const path of ['/abs/f', '/a/b/rel/f', '/magic/etc/passwd', `/../../..${c.folder}/victim/f`]) {
      expect(await reasonOf(() => c.out(path, 'stolen'))).toContain('missing-source: ');
      expect(await reasonOf(() => c.into('f', path))).toContain('missing-source: ');
      expect(await reasonOf(() => c.into('d', path))).toContain('missing-source: ');
    }
    expect(list(c, 'here')).toEqual(['d', 'd/f', 'f']);
    expect(c.sh("find victim -printf '%p %i %T@ %C@\\n'; cat victim/f")).toBe(before);
  });
});
