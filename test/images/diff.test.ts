/** `diff`: what a layer adds, changes and deletes in those below it, with all marks that overlayfs knows. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compareLayers } from '../../src/daemon/changes.ts';
import { AT_FDCWD, O } from '../../src/kernel/flags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { sandboxPrefix } from '../rig/census.ts';
import { sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { running } from '../life/rig.ts';

const sys = new Kernel();

/** Layers made by lines of shell, the nearest first; each runs within its layer's folder. */
function changesOf(upper: string, ...lowers: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), sandboxPrefix));
  // rm(1) goes deeper than a path can be long.
  onTestFinished(() => void execFileSync('rm', ['-rf', folder]));
  const layers = [upper, ...lowers].map((script, i) => {
    const layer = join(folder, i.toString());
    mkdirSync(layer);
    const words =
      "gone() { mknod \"$1\" c 0 0; }; opaque() { python3 -c \"import os; os.setxattr('$1', 'trusted.overlay.opaque', b'y')\"; }";
    execFileSync('sh', ['-ec', `${words}\n${script}`], { cwd: layer });
    return sys.openat2(AT_FDCWD, layer, O.RDONLY | O.DIRECTORY | O.CLOEXEC, 0, 0);
  });
  try {
    const [top = -1, ...below] = layers;
    return compareLayers(sys, top, below).map(({ kind, path }) => `${kind} ${path}`);
  } finally {
    for (const layer of layers) sys.close(layer);
  }
}

const etc = 'mkdir -p etc/d; touch etc/a etc/b etc/d/x';

describe.skipIf(skipUnlessRoot())('a layer beside those below it', () => {
  it.each([
    ['nothing', ':', [etc], []],
    ['a new file', 'touch new', [etc], ['A /new']],
    ['a new tree', 'mkdir -p n/m; touch n/m/f', [etc], ['A /n', 'A /n/m', 'A /n/m/f']],
    ['a changed file, and the folders above it', 'mkdir etc; touch etc/a', [etc], ['C /etc', 'C /etc/a']],
    ['a folder whose own bits changed', 'mkdir etc', [etc], ['C /etc']],
    ['a deleted file', 'mkdir etc; gone etc/a', [etc], ['C /etc', 'D /etc/a']],
    ['a deleted folder, without what was in it', 'mkdir etc; gone etc/d', [etc], ['C /etc', 'D /etc/d']],
    ['a mark for what is not there', 'mkdir etc; gone etc/z', [etc], ['C /etc']],
    ['a file instead of a folder', 'mkdir etc; touch etc/d', [etc], ['C /etc', 'C /etc/d']],
    [
      'a folder instead of a file',
      'mkdir -p etc/a; touch etc/a/in; opaque etc/a',
      [etc],
      ['C /etc', 'C /etc/a', 'A /etc/a/in'],
    ],
    [
      'a folder that was removed and made anew',
      'mkdir -p etc/d; touch etc/a; opaque etc',
      [etc],
      ['C /etc', 'C /etc/a', 'D /etc/b', 'C /etc/d', 'D /etc/d/x'],
    ],
    [
      'a folder of which a lower layer hid what was',
      'mkdir etc; touch etc/a',
      ['mkdir etc; opaque etc', etc],
      ['C /etc', 'A /etc/a'],
    ],
    [
      'what a lower layer had deleted',
      'mkdir etc; touch etc/a',
      ['mkdir etc; gone etc/a', etc],
      ['C /etc', 'A /etc/a'],
    ],
    [
      'what a lower layer had deleted with its folder',
      'mkdir -p etc/d; touch etc/d/x',
      ['mkdir etc; gone etc/d', etc],
      ['C /etc', 'A /etc/d', 'A /etc/d/x'],
    ],
    [
      'what only the lowest layer has',
      'mkdir -p etc/d; gone etc/d/x',
      ['touch o', 'mkdir etc', etc],
      ['C /etc', 'C /etc/d', 'D /etc/d/x'],
    ],
    [
      'a file that hides the folder of a lower layer',
      'mkdir -p etc/d; touch etc/d/x',
      ['mkdir etc; touch etc/d', etc],
      ['C /etc', 'C /etc/d', 'A /etc/d/x'],
    ],
    ['a device, a fifo and a link', 'mknod n c 1 3; mkfifo f; ln -s / l', [etc], ['A /f', 'A /l', 'A /n']],
    ['a link is not followed', 'ln -s /etc etc', [etc], ['C /etc']],
    [
      'places of mounts',
      'mkdir -p dev/pts proc sys; touch .dockerenv dev/console; mkdir etc; gone etc/hosts',
      ['mkdir -p dev/pts proc sys etc; touch .dockerenv dev/console etc/hosts'],
      ['C /etc'],
    ],
    [
      'what lies in a place of a mount',
      'mkdir -p dev/shm; touch dev/shm/f',
      ['mkdir -p dev/shm'],
      ['C /dev', 'C /dev/shm', 'A /dev/shm/f'],
    ],
  ] as const)('%s', (_what, upper, lowers, expected) => {
    expect(changesOf(upper, ...lowers)).toEqual(expected);
  });

  it('of names without end, and too deep for a path, is shown all the same', () => {
    const deep =
      "python3 -c \"import os\nfor i in range(60): os.mkdir('0' * 200); os.chdir('0' * 200)\nopen('end', 'w')\"";
    const changes = changesOf(deep, etc);
    expect(changes).toHaveLength(61);
    expect(changes.at(-1)).toMatch(/^A \/0{200}.*\/end$/);
  });
});

describe.skipIf(skipUnlessRoot())('ts-dock diff', () => {
  it('shows a container, while it runs and afterwards', async () => {
    const box = await sandbox();
    const { live, program } = await running(box, 'one');
    expect(await box.run(['diff', 'one'])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await program.say(
      'echo x >/etc/profile; rm /usr/bin/wc; mkdir /n; touch "$(printf \'/n/a\\033b\')"; rm -r /var; mkdir /var',
    );
    const lines = [
      'C /etc',
      'C /etc/profile',
      'A /n',
      'A /n/a\\eb',
      'C /usr',
      'C /usr/bin',
      'D /usr/bin/wc',
      'C /var',
    ];
    const shown = await box.run(['diff', 'one']);
    expect(shown.stdout.split('\n').filter((line) => !line.startsWith('D /var/') && line !== '')).toEqual(
      lines,
    );
    expect(shown.stdout).toContain('D /var/tmp\n');
    program.end();
    await live.done;
    expect((await box.run(['diff', 'one'])).stdout).toBe(shown.stdout);
    const json = JSON.parse((await box.run(['diff', '--json', 'one'])).stdout) as unknown[];
    expect(json).toContainEqual({ kind: 'A', path: '/n/a\u001bb' });
    expect(await box.run(['diff', 'nobody'])).toMatchObject({ code: 125, stdout: '' });
  });
});
