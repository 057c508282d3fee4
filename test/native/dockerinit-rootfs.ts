/** A busybox image for tests, and a witness for the folder beside it: what a hostile image must not have changed. */
import {
  copyFileSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../rig/skip.ts';

const APPLETS = [
  'sh',
  'true',
  'ls',
  'cat',
  'id',
  'env',
  'ip',
  'mount',
  'hostname',
  'stat',
  'test',
  'grep',
  'mkdir',
  'unshare',
  'pwd',
  'echo',
];

export interface Image {
  /** The folder that holds all of it. */
  readonly base: string;
  readonly rootfs: string;
  /** Beside the rootfs, as the host's files are: nothing in it may change. */
  readonly outside: string;
  readonly root: string;
}

export function makeImage(): Image {
  const base = mkdtempSync(join(tmpdir(), 'dockerinit-'));
  const image = {
    base,
    rootfs: join(base, 'rootfs'),
    outside: join(base, 'outside'),
    root: join(base, 'container'),
  };
  mkdirSync(join(image.rootfs, 'bin'), { recursive: true });
  mkdirSync(join(image.rootfs, 'etc'));
  mkdirSync(image.outside);
  writeFileSync(join(image.outside, 'victim'), 'untouched');
  writeFileSync(join(image.outside, 'ptmx'), 'untouched');
  const busybox = findProgram('busybox');
  if (busybox === undefined) throw new Error('no busybox');
  copyFileSync(busybox, join(image.rootfs, 'bin/busybox'), constants.COPYFILE_FICLONE);
  for (const name of APPLETS) symlinkSync('busybox', join(image.rootfs, 'bin', name));
  file(
    image,
    'etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n1000:x:0:0::/:/bin/sh\n',
  );
  file(image, 'etc/group', 'root:x:0:\nbob:x:1001:\nstaff:x:50:bob,alice\nwheel:x:10:bob\n');
  return image;
}

export function removeImage(image: Image): void {
  rmSync(image.base, { recursive: true, force: true });
}

export function file(image: Image, name: string, content: string | Buffer): void {
  writeFileSync(join(image.rootfs, name), content);
}

export function link(image: Image, name: string, target: string): void {
  rmSync(join(image.rootfs, name), { recursive: true, force: true });
  symlinkSync(target, join(image.rootfs, name));
}

/** Every entry below `folder` with kind, mode, owner, size, times and content. */
export function witness(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .concat('.')
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const { mode, uid, gid, size, mtimeMs, ino } = lstatSync(path);
      const kind = mode & 0o170000;
      const content =
        kind === 0o100000 ? readFileSync(path, 'utf8') : kind === 0o120000 ? readlinkSync(path) : '';
      return [name, mode.toString(8), uid, gid, size, mtimeMs, ino, content].join(' ');
    });
}
