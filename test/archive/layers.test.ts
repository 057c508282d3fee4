/**
 * Layers unpacked one above the other, mounted as an overlay: what is seen is what the archives say when they are applied
 * one after the other to one tree. The layers come from a generator, with duplicates, whiteouts and hard links in any order.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lowerOf } from '../../src/archive/lower.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { seeded } from './rig-read.ts';
import { directory, file, hardlink, symlink, type Member } from './rig-tar.ts';
import { FAST, nodeAt, scratch, sys, unpackInto } from './rig-tree.ts';

let folder: string;
let done: () => void;
beforeEach(() => {
  ({ path: folder, done } = scratch('layers', FAST));
});
afterEach(() => done());

/** Unpacks with the layers below at hand; where it fails, `undefined`. */
async function layerOn(path: string, members: readonly Member[], below: readonly string[]): Promise<boolean> {
  mkdirSync(path);
  const fds = below.map((layer) => openSync(layer, 'r'));
  try {
    await unpackInto(path, members, { lower: lowerOf(sys, fds) });
    return true;
  } catch (error) {
    if ((error as { reason?: string }).reason === undefined) throw error;
    return false;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** A tree as a container would see it: what a name is; `content` of files, target of links. A hard link shares its object. */
interface Model {
  is: 'file' | 'link' | 'folder';
  content: string;
  /** `?`: a folder that is not there, and that no member gives a mode. */
  mode: string;
  children: Map<string, Model>;
}
const newFolder = (): Model => ({ is: 'folder', content: '', mode: '755', children: new Map() });

function lookUp(top: Model, parts: readonly string[]): Model | undefined {
  let at: Model | undefined = top;
  for (const part of parts) at = at?.children.get(part);
  return at;
}

function reach(top: Model, parts: readonly string[]): Model {
  let at = top;
  for (const part of parts) {
    let next = at.children.get(part);
    if (next?.is !== 'folder') at.children.set(part, (next = { ...newFolder(), mode: '?' }));
    at = next;
  }
  return at;
}

/** Marks first, as they speak of what is below alone; then one member after the other. */
function apply(top: Model, members: readonly Member[]): void {
  for (const { name } of members) {
    const parts = name.split('/');
    const own = parts.pop() ?? '';
    if (!own.startsWith('.wh.')) continue;
    if (own === '.wh..wh..opq') lookUp(top, parts)?.children.clear();
    else lookUp(top, parts)?.children.delete(own.slice(4));
  }
  for (const { name, type = '0', content = '', linkname = '', mode } of members) {
    const parts = name.split('/');
    const own = parts.pop() ?? '';
    const at = reach(top, parts);
    if (own.startsWith('.wh.')) continue;
    const there = at.children.get(own);
    const target = lookUp(top, linkname.split('/'));
    if (type === '5') {
      const made = there?.is === 'folder' ? there : newFolder();
      made.mode = (mode ?? 0o755).toString(8);
      at.children.set(own, made);
    } else if (type === '1' && target !== undefined) at.children.set(own, target);
    else if (type !== '1')
      at.children.set(own, {
        ...newFolder(),
        is: type === '2' ? 'link' : 'file',
        content: type === '2' ? linkname : content.toString(),
        mode: type === '2' ? '777' : '644',
      });
  }
}

function flat(top: Model, prefix = ''): string[] {
  return [...top.children]
    .flatMap(([name, node]) => [
      `${prefix}${name} ${node.is} ${node.mode} ${node.content}`,
      ...flat(node, `${prefix}${name}/`),
    ])
    .sort();
}

/** Mounted in a mount namespace of its own, which goes with the program. */
function seen(cases: readonly (readonly string[])[]): string[][] {
  const list = (layers: readonly string[]): string =>
    `mount -t overlay -o ro,redirect_dir=nofollow,metacopy=off,lowerdir=${layers.join(':')} none ${folder}/mnt && cd ${folder}/mnt && ` +
    `find . -mindepth 1 -printf '%P %y %m %l\\t' -type f -exec cat {} \\; -printf '\\n' -o -mindepth 1 -printf '\\n'; echo =; cd /; umount ${folder}/mnt`;
  mkdirSync(join(folder, 'mnt'), { recursive: true });
  const script = cases.map(list).join('\n');
  const told = execFileSync('unshare', ['-m', '--propagation', 'private', 'sh', '-e'], {
    input: script,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const kinds: Readonly<Record<string, string>> = { f: 'file', l: 'link', d: 'folder' };
  return told
    .split('=\n')
    .slice(0, -1)
    .map((text) =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [what = '', content = ''] = line.split('\t');
          const [name, kind = '', mode, target = ''] = what.split(' ');
          return `${name ?? ''} ${kinds[kind] ?? kind} ${mode ?? ''} ${target}${content}`;
        })
        .sort(),
    );
}

const NAMES = ['a', 'b', 'c'];

function randomLayer(below: (limit: number) => number, marks: boolean): Member[] {
  const name = (): string =>
    Array.from({ length: 1 + below(3) }, () => NAMES[below(NAMES.length)] ?? 'a').join('/');
  return Array.from({ length: 1 + below(7) }, (_, n) => {
    const kind = below(marks ? 10 : 7);
    const path = name();
    if (kind < 3) return file(path, `content-${below(1000).toString()}-${n.toString()}`);
    if (kind < 5) return directory(path, { mode: [0o755, 0o700, 0o711][below(3)] ?? 0o755 });
    if (kind === 5) return symlink(path, 'nowhere');
    if (kind === 6) return hardlink(path, name());
    const parts = path.split('/');
    const own = parts.pop() ?? 'a';
    // A top that is opaque is one for overlayfs only where it is no layer's top.
    const mark = kind === 9 && parts.length > 0 ? '.wh..wh..opq' : `.wh.${own}`;
    return file([...parts, mark].join('/'));
  });
}

describe.skipIf(skipUnlessRoot())('layers', () => {
  test('show as an overlay what their archives say one after the other', async () => {
    const below = seeded(20_261_126);
    const cases: { layers: string[]; members: Member[][] }[] = [];
    for (let n = 0; cases.length < 80; n += 1) {
      const members = [randomLayer(below, false), randomLayer(below, true), randomLayer(below, true)];
      const layers: string[] = [];
      let whole = true;
      for (const [m, one] of members.entries()) {
        const path = join(folder, `${n.toString()}-${m.toString()}`);
        whole &&= await layerOn(path, one, layers);
        layers.unshift(path);
      }
      // Archives that break a rule, such as a hard link to nowhere, are another test's.
      if (whole) cases.push({ layers, members });
    }
    const mounted = seen(cases.map(({ layers }) => layers));
    for (const [n, { members }] of cases.entries()) {
      const top = newFolder();
      for (const one of members) apply(top, one);
      const text = members.map((one) =>
        one.map(({ name, type, linkname }) => `${type ?? '0'} ${name} ${linkname ?? ''}`),
      );
      const expected = flat(top);
      const open = expected.filter((line) => line.includes(' ? ')).map((line) => line.split(' ')[0]);
      const told = mounted[n]?.map((line) =>
        open.includes(line.split(' ')[0]) ? line.replace(/ folder \d+ /, ' folder ? ') : line,
      );
      expect(told, JSON.stringify(text)).toEqual(expected);
    }
  });

  test('a lower file is found as overlayfs finds it', async () => {
    const paths = ['bottom', 'middle', 'top'].map((name) => join(folder, name));
    const [bottom = '', middle = '', top = ''] = paths;
    await layerOn(
      bottom,
      [file('a/gone'), file('a/kept'), file('o/hidden'), file('f/x'), file('w/x/y'), symlink('l', 'a')],
      [],
    );
    await layerOn(
      middle,
      [file('a/.wh.gone'), file('o/own'), file('o/.wh..wh..opq'), file('f'), file('w/.wh.x')],
      [bottom],
    );
    await layerOn(top, [directory('o'), directory('a', { mode: 0o700 })], [middle, bottom]);
    const before = readdirSync('/proc/self/fd').length;
    const fds = [top, middle, bottom].map((path) => openSync(path, 'r'));
    const lower = lowerOf(sys, fds);
    const is = (path: string): number | undefined => {
      const fd = lower(path);
      if (fd === undefined) return undefined;
      const { ino } = sys.fstat(fd);
      sys.close(fd);
      return ino;
    };
    const inode = (path: string): number => Number(nodeAt(path).ino);
    expect(is('a/kept')).toBe(inode(join(bottom, 'a/kept')));
    expect(is('a')).toBe(inode(join(top, 'a')));
    expect(is('o/own')).toBe(inode(join(middle, 'o/own')));
    expect(is('l')).toBe(inode(join(bottom, 'l')));
    for (const path of ['a/gone', 'o/hidden', 'f/x', 'w/x/y', 'w/x', 'l/kept', 'nobody', 'a/kept/x'])
      expect(is(path), path).toBeUndefined();
    for (const fd of fds) closeSync(fd);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});
