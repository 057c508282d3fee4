/**
 * Making a layer that its content names: entries are put into a folder, and the folder as it then stands on disk gives
 * the digest. Only for folders that nobody else can write to: paths are followed as they are.
 */
import { sha256 } from '../kernel/hash.ts';
import { dirname, join } from 'node:path';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { makeDir } from './store.ts';

/** What is to lie at a path. Owners are always root:root. */
export type Entry =
  | { readonly folder: number }
  | { readonly link: string }
  | { readonly text: string; readonly mode: number }
  /** A file of the host. */
  | { readonly copy: string };

/** By the path in the container, with a leading slash. Folders on the way need no entry: they get 0755. */
export type Entries = ReadonlyMap<string, Entry>;

export interface Digest {
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** Bytes in regular files. */
  readonly size: number;
}

export function putEntries(sys: Kernel, folder: string, entries: Entries): void {
  const made = new Set(['/']);
  const parents = (path: string): void => {
    const parent = dirname(path);
    if (made.has(parent)) return;
    parents(parent);
    put(sys, folder, parent, { folder: 0o755 });
    made.add(parent);
  };
  // In order, so that a folder's own entry comes before what lies in it.
  for (const path of [...entries.keys()].sort()) {
    parents(path);
    const entry = entries.get(path);
    if (entry !== undefined) put(sys, folder, path, entry);
    made.add(path);
  }
}

function put(sys: Kernel, folder: string, path: string, entry: Entry): void {
  const target = join(folder, path);
  if ('folder' in entry) makeDir(sys, target, entry.folder);
  else if ('link' in entry) sys.symlink(entry.link, target);
  else if ('text' in entry) {
    sys.createFile(target, entry.text);
    sys.chmod(target, entry.mode);
  } else copyProgram(sys, entry.copy, target);
  // The root may lie in a folder that gives its own group to what is made in it.
  sys.chown(target, 0, 0);
}

/**
 * The bits 0755 or 0644 and nothing else: the host's mount and umount are setuid root, and in a container that bit would
 * only turn a user whom `-u` made small into root again. Capabilities of files stay behind as well: the copy has no xattrs.
 */
function copyProgram(sys: Kernel, from: string, to: string): void {
  sys.copyFile(from, to);
  sys.chmod(to, (sys.lstat(to).mode & 0o111) === 0 ? 0o644 : 0o755);
}

/**
 * The canonical listing: a line for each path in byte order, with type, mode, and a link's target or a file's size and
 * content. No times and no owners (always root), so the same content has the same digest on every day, in every root.
 */
export function digestFolder(sys: Kernel, folder: string): Digest {
  const listing = sha256();
  let size = 0;
  const visit = (path: string): void => {
    const found = sys.lstat(join(folder, path));
    const mode = (found.mode & 0o7777).toString(8);
    // JSON keeps a name with a line break in it from looking like two lines.
    const say = (...words: readonly (string | number)[]): unknown =>
      listing.update(`${JSON.stringify(words)}\n`);
    if (found.isDirectory()) {
      say(path, 'folder', mode);
      for (const name of sys.readdirPath(join(folder, path)).sort()) visit(join(path, name));
    } else if (found.isSymbolicLink()) say(path, 'link', sys.readlink(join(folder, path)));
    else if (found.isFile()) {
      const content = readBytes(sys, join(folder, path));
      size += content.length;
      say(path, 'file', mode, content.length, sha256().update(content).digest('hex'));
    } else say(path, 'other', mode);
  };
  visit('/');
  return { sha256: listing.digest('hex'), size };
}

/** A file of ours or of the host, whole. */
export function readBytes(sys: Kernel, path: string): Buffer {
  const fd = sys.openat2(AT_FDCWD, path, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0, 0);
  try {
    return sys.readFd(fd, sys.fstat(fd).size);
  } finally {
    sys.close(fd);
  }
}
