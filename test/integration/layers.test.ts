/** How many layers an image may have: Docker's limit at create, and that all which pass it are really mounted. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ancestryOf, storeImage } from '../../src/daemon/images.ts';
import { adoptLayer, diffOf } from '../../src/daemon/layers.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { makeDir, scratchFolder } from '../../src/daemon/store.ts';
import { lookupImage, setTag } from '../../src/daemon/tags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { sandboxPrefix } from '../rig/census.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const sys = new Kernel();
type NewId = (n: number) => string;
const drawn: NewId = (n) => createHash('sha256').update(`layer ${n}`).digest('hex');

/** An image of `count` layers: base in one, the others with a file of their own each. */
function makeChain(place: Place, tag: string, count: number, newId: NewId = drawn): void {
  const base = ancestryOf(sys, place, lookupImage(sys, place, 'base')).reverse();
  let parent: string | undefined;
  for (let n = 0; n < count; n += 1) {
    const id = newId(n);
    const staged = scratchFolder(sys, place, `test-${tag}-${n}`);
    const diff = join(staged, 'diff');
    makeDir(sys, diff, 0o755);
    if (n === 0) for (const layer of base) execFileSync('cp', ['-a', `${diffOf(place, layer)}/.`, diff]);
    mkdirSync(join(diff, 'chain'));
    writeFileSync(join(diff, 'chain', n.toString()), `of layer ${n}\n`);
    writeFileSync(join(diff, 'chain', 'top'), `${n}\n`);
    adoptLayer(sys, place, id, staged);
    storeImage(sys, place, { id, ...(parent === undefined ? {} : { parent }), created: '', Size: 0 });
    parent = id;
  }
  if (parent !== undefined) setTag(sys, place, 'chain', tag, parent);
}

async function withBase(): Promise<{ box: Sandbox; place: Place }> {
  const box = await sandbox();
  expect((await box.run(['run', '--rm', 'base', 'true'])).code).toBe(0);
  return { box, place: placeOf(box.root) };
}

/** The sandboxes of this test have roots whose paths are `length` characters long. */
function rootsOfLength(length: number): void {
  const outer = mkdtempSync(join(tmpdir(), 'long-'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(outer, { recursive: true, force: true });
  });
  const behind = join('/', `${sandboxPrefix}XXXXXX`, 'root').length;
  const folder = join(outer, 'x'.repeat(length - behind - outer.length - 1));
  mkdirSync(folder);
  vi.stubEnv('TS_DOCK_TEST_DIR', folder);
}

const look = (tag: string): string[] => [
  ...['run', '--rm', '--net', 'none', `chain:${tag}`],
  ...['sh', '-c', 'cat /chain/0 /chain/top; ls /chain | wc -l'],
];
const seen = (count: number): string => `of layer 0\n${count - 1}\n${count + 1}\n`;

describe.skipIf(skipUnlessRoot())('an image', () => {
  it.each([1, 2, 42, 124])('of %i layers is started, and the program sees the lowest', async (count) => {
    const { box, place } = await withBase();
    makeChain(place, 'it', count);
    expect(await box.run(look('it'))).toMatchObject({ code: 0, stdout: seen(count) });
  });

  it.each([125, 126, 140])('of %i layers is refused at create, as in Docker', async (count) => {
    const { box, place } = await withBase();
    makeChain(place, 'it', count);
    const done = await box.run(['create', 'chain:it', 'true']);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toContain('Cannot create container with more than 127 parents');
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });

  it('of 124 layers is started also where the root has a path of 80 characters', async () => {
    rootsOfLength(80);
    const { box, place } = await withBase();
    expect(box.root).toHaveLength(80);
    makeChain(place, 'it', 124);
    // Whole paths would not fit into the page that the kernel takes (positive control).
    expect(124 * diffOf(place, drawn(0)).length).toBeGreaterThan(4096);
    expect(await box.run(look('it'))).toMatchObject({ code: 0, stdout: seen(124) });
  });

  it('whose layers’ ids begin alike is started: the later ones have longer short names', async () => {
    const { box, place } = await withBase();
    makeChain(place, 'it', 42, (n) => n.toString(16).padStart(16, 'a').padEnd(64, '0'));
    expect(await box.run(look('it'))).toMatchObject({ code: 0, stdout: seen(42) });
  });

  it('whose layers’ names do not fit into one mount is refused with that reason, and leaves no container', async () => {
    const { box, place } = await withBase();
    makeChain(place, 'it', 124, (n) => n.toString(16).padStart(64, 'a'));
    const done = await box.run(look('it'));
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toContain('124 layers do not fit in one mount');
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });
});
