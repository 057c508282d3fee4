/** Taking a mount away with what is mounted in it, and nothing of the host's, whatever shares its fate with it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Walk } from '../daemon/walk.ts';
import { sandboxPrefix } from '../rig/census.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

describe.skipIf(skipUnlessRoot())('the undo of a mount in which a volume of the host is mounted', () => {
  /** `host` has a mount in it and is shared; all of it is mounted in `root` once more, as a volume that nobody made private yet. */
  const setUp = (): { root: string; mounted: (path: string) => boolean; undo: () => Promise<string[]> } => {
    const walk = new Walk(mkdtempSync(join(tmpdir(), sandboxPrefix)));
    const { root } = walk.place;
    const host = join(root, 'host');
    const sh = (script: string): void => void execFileSync('sh', ['-ec', script], { cwd: root });
    mkdirSync(join(root, 'mnt'));
    mkdirSync(host);
    onTestFinished(() => {
      sh(`for m in mnt host/sub host; do while umount -l $m 2>/dev/null; do :; done; done; rm -r '${root}'`);
    });
    sh('mount -t tmpfs t host; mount --make-shared host; mkdir host/sub; mount -t tmpfs s host/sub');
    sh('mount -t tmpfs tsdock:x mnt; mount --make-private mnt; mkdir mnt/v; mount --rbind host mnt/v');
    walk.undo.push({
      lifetime: 'transient',
      kind: 'unmount',
      path: 'mnt',
      fstype: 'tmpfs',
      source: 'tsdock:x',
    });
    const mounted = (path: string): boolean =>
      readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${join(root, path)} `);
    return { root, mounted, undo: () => walk.back() };
  };

  it('leaves those of the host', async () => {
    const { mounted, undo } = setUp();
    expect(mounted('mnt/v/sub')).toBe(true);
    expect(await undo()).toEqual([]);
    expect(mounted('mnt')).toBe(false);
    expect(mounted('host/sub')).toBe(true);
  });

  it('is not simply umount -l: the control', () => {
    const { root, mounted } = setUp();
    execFileSync('umount', ['-l', join(root, 'mnt')]);
    expect(mounted('mnt')).toBe(false);
    expect(mounted('host/sub')).toBe(false);
  });
});
