/** `ts-dock commit`: what a container has written and was told, found again in containers of the image that it becomes. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Config } from '../../src/daemon/model.ts';
import { eventsOf, running, stored, type Running } from '../life/rig.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

interface Written {
  readonly config: Partial<Config> & { readonly Labels?: Record<string, string> };
  readonly rootfs: { readonly diff_ids: readonly string[] };
  readonly history: readonly {
    readonly created_by?: string;
    readonly comment?: string;
    readonly author?: string;
  }[];
}

const LONG = { runOptions: { timeout: 120_000 } };

describe.skipIf(skipUnlessRoot())('ts-dock commit', () => {
  let box: Sandbox;
  let live: Running;
  let id: string;
  const configOf = (image: string): Written =>
    JSON.parse(readFileSync(join(box.root, 'graph', image, 'config'), 'utf8')) as Written;
  const commit = async (...words: readonly string[]): Promise<string> => {
    const done = await box.run(['commit', ...words]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(readdirSync(join(box.root, 'work'))).toEqual([]);
    return done.stdout.slice(7, -1);
  };
  const look = async (image: string, script: string): Promise<string[]> => {
    const done = await box.run(['run', '--rm', '--net', 'none', image, 'sh', '-c', script]);
    return `${done.stdout}${done.stderr}`.split('\n').filter(Boolean);
  };

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    live = await running(box, 'live', ['-e', 'A=1', '-w', '/srv', '-u', '0:0'], LONG);
    id = stored(box, 'live')?.ID ?? '';
    const made = [
      'mkdir /w; cd /w; echo h >h1; ln h1 h2; ln -s h1 l; mkfifo p; echo x >su; chmod 6755 su; chown 5:6 h1; chmod 750 .',
      'truncate -s 5M holes; echo end >>holes; touch -d "2001-02-03 00:00:00" holes',
      'rm /usr/bin/wc /.dockerenv; rm -r /var; mkdir /var; echo new >/var/only; echo changed >/etc/profile; echo mine >/etc/hosts',
    ];
    for (const line of made) expect((await live.program.say(line)).status).toBe(0);
    // What the program cannot do itself: attributes of a file in its layer.
    const upper = join(box.root, 'overlay', id, 'diff/w/su');
    const set = `import os; os.setxattr('${upper}', 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000')); os.setxattr('${upper}', 'user.who', b'me')`;
    execFileSync('python3', ['-c', set]);
  }, 60_000);
  // Also where beforeAll broke: a root that stays keeps a range of addresses.
  afterAll(() => box.dispose());

  it('of a container that runs is an image with all that it wrote, and the container goes on', async () => {
    const image = await commit('-a', 'me <me@here>', '-m', 'first', 'live', 'me/mine:1');
    expect((await live.program.say('echo on')).output).toBe('on\n');
    expect(stored(box, 'live')?.State).toMatchObject({ Running: true, Paused: false });
    expect(eventsOf(box, id).slice(-3)).toEqual([
      'pause',
      'unpause',
      `commit first sha256:${image} me/mine:1`,
    ]);
    const script = `cd /w; stat -c '%n %F %a %h %s %u:%g' h1 h2 l p su holes .; stat -c %Y holes; cat h2 /etc/profile; ls /var
      ls /usr/bin/wc; test -e /.dockerenv && echo there; head -1 /etc/hosts; tail -c 4 holes`;
    expect(await look('me/mine:1', script)).toEqual([
      'h1 regular file 644 2 2 5:6',
      'h2 regular file 644 2 2 5:6',
      'l symbolic link 777 1 2 0:0',
      'p fifo 644 1 0 0:0',
      'su regular file 6755 1 2 0:0',
      'holes regular file 644 1 5242884 0:0',
      '. directory 750 2 4096 0:0',
      '981158400',
      'h',
      'changed',
      'only',
      'there',
      expect.stringContaining('127.0.1.1'),
      'end',
      'ls: /usr/bin/wc: No such file or directory',
    ]);
    const layer = readFileSync(join(box.root, 'overlay', image, 'link'), 'utf8').trim();
    const read = `import os; f='${box.root}/overlay/l/${layer}/w/su'; print(os.getxattr(f, 'security.capability').hex(), os.getxattr(f, 'user.who'))`;
    expect(execFileSync('python3', ['-c', read], { encoding: 'utf8' })).toContain(
      "0100000200040000000000000000000000000000 b'me'",
    );
    expect(
      Number(
        execFileSync('du', ['-k', `${box.root}/overlay/l/${layer}/w/holes`], { encoding: 'utf8' }).split(
          '\t',
        )[0],
      ),
    ).toBeLessThan(16);
    expect(readdirSync(`${box.root}/overlay/l/${layer}/etc`)).toEqual(['profile']);
    // A container of the image has changed nothing yet.
    expect((await box.run(['create', '--name', 'fresh', 'me/mine:1', 'true'])).code).toBe(0);
    expect((await box.run(['diff', 'fresh'])).stdout).toBe('');
  });

  it('says what the container was told, and what --change says', async () => {
    const change = (line: string): string[] => ['-c', line];
    const image = await commit(
      ...[
        '-m',
        'second',
        ...change('CMD ["cat", "/w/h1"]'),
        ...change('ENV B=2 C="3 4"'),
        ...change('LABEL who=me'),
      ],
      ...[...change('EXPOSE 80'), ...change('WORKDIR sub'), '--pause=false', 'live'],
    );
    expect(configOf(image).config).toMatchObject({
      Env: ['A=1', expect.stringMatching(/^PATH=/), 'B=2', 'C=3 4'],
      Cmd: ['cat', '/w/h1'],
      WorkingDir: '/srv/sub',
      User: '0:0',
      Labels: { who: 'me' },
      ExposedPorts: { '80/tcp': {} },
    });
    expect(
      eventsOf(box, id)
        .slice(-2)
        .map((each) => each.split(' ')[0]),
    ).not.toContain('unpause');
    const { history, rootfs } = configOf(image);
    expect(history.at(-1)).toMatchObject({ comment: 'second' });
    expect(history).toHaveLength(rootfs.diff_ids.length);
    expect((await box.run(['run', '--rm', '--net', 'none', image.slice(0, 12)])).stdout).toBe('h\n');
  });

  it('of a container of a committed image stands on it, and takes what was deleted away for good', async () => {
    const first = await commit('live', 'chain');
    const made = [
      'run',
      '--net',
      'none',
      '--name',
      'second',
      'chain',
      'sh',
      '-c',
      'rm -r /w; mkdir /w; echo again >/w/h1',
    ];
    expect((await box.run(made)).code).toBe(0);
    const second = await commit('second', 'chain');
    expect(configOf(second).rootfs.diff_ids.slice(0, -1)).toEqual(configOf(first).rootfs.diff_ids);
    expect(await look('chain', 'ls /w; cat /w/h1')).toEqual(['h1', 'again']);
    expect((await box.run(['inspect', second])).stdout).toContain(second);
    expect((await box.run(['history', 'chain'])).stdout).toContain('mkdir /w');
  });

  it('of a container that is paused leaves it so', async () => {
    await box.run(['pause', 'live']);
    await commit('-p=true', 'live');
    expect(stored(box, 'live')?.State.Paused).toBe(true);
    expect((await box.run(['unpause', 'live'])).code).toBe(0);
    expect((await live.program.say('echo on')).output).toBe('on\n');
  });

  it.each([
    [['nobody', 'x'], 'No such container: nobody'],
    [['live', 'UPPER'], 'lower case'],
    [['live', `x@sha256:${'0'.repeat(64)}`], 'a digest is not given but made'],
    [['-c', 'COPY a b', 'live'], 'it begins with none of'],
    [['-c', 'CMD', 'live'], 'CMD says nothing'],
    [['-p', 'maybe', 'live'], 'true or false'],
  ])('refuses %j', async (words, why) => {
    const images = readdirSync(join(box.root, 'graph'));
    const done = await box.run(['commit', ...words]);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr.replace(/\s+/g, ' ')).toContain(why);
    expect(readdirSync(join(box.root, 'graph'))).toEqual(images);
  });
});
