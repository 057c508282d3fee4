/** Which programs of the host make up the base image. */
import { dirname, relative } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { HostPrograms } from './host-programs.ts';
import type { Entries, Entry } from './layer-files.ts';

/** Without busybox. Those that the host lacks are left out. */
const WANTED_PROGRAMS = [
  ...[
    'sh',
    'ls',
    'cat',
    'echo',
    'head',
    'tail',
    'grep',
    'wc',
    'touch',
    'mkdir',
    'rm',
    'rmdir',
    'cp',
    'mv',
    'ln',
  ],
  ...[
    'true',
    'false',
    'ps',
    'ip',
    'mount',
    'umount',
    'hostname',
    'id',
    'env',
    'sleep',
    'stat',
    'readlink',
    'sort',
  ],
  ...[
    'seq',
    'kill',
    'test',
    '[',
    'date',
    'tr',
    'cut',
    'sed',
    'awk',
    'tty',
    'uname',
    'printf',
    'dd',
    'chmod',
    'chown',
  ],
  ...[
    'pwd',
    'nproc',
    'df',
    'find',
    'xargs',
    'tee',
    'uniq',
    'basename',
    'dirname',
    'expr',
    'timeout',
    'whoami',
    'du',
  ],
];

/** Where a program of the host lies; undefined where it does not. */
export type FindProgram = (name: string) => string | undefined;

export interface Programs {
  /** In words. */
  readonly from: string;
  readonly entries: Entries;
}

/** Busybox if the host has one that can be used, else many programs. */
export function basePrograms(sys: Kernel, find: FindProgram): Programs {
  const host = new HostPrograms(sys);
  const busybox = find('busybox');
  return (busybox === undefined ? undefined : busyboxOf(sys, host, busybox)) ?? manyOf(host, find);
}

/** One file and a link for each of its applets. Undefined where this busybox cannot be used. */
function busyboxOf(sys: Kernel, host: HostPrograms, path: string): Programs | undefined {
  const files = host.withLibraries(path);
  const applets = files === undefined ? [] : appletsOf(sys, path);
  if (files === undefined || !applets.some((applet) => applet.endsWith('/sh'))) return undefined;
  const real = sys.realpath(path);
  const entries = new Map<string, Entry>();
  for (const applet of applets) {
    const at = host.resting(applet);
    entries.set(at, { link: relative(dirname(at), real) });
  }
  // After the links: whatever an applet is called, the file itself and its libraries stay.
  for (const [at, entry] of files) entries.set(at, entry);
  return { from: `this host's busybox, which is ${applets.length} programs`, entries };
}

/** Where its applets want to lie. `busybox` is one of them: linked to itself, it would be gone. */
function appletsOf(sys: Kernel, path: string): string[] {
  const full = sys.exec(path, ['--list-full']);
  const list = full.status === 0 ? full : sys.exec(path, ['--list']);
  const names = list.stdout
    .split('\n')
    .filter((name) => /^[\w./[+-]+$/.test(name) && !/(^|\/)busybox$/.test(name));
  return names
    .map((name) => (name.includes('/') ? `/${name}` : `/bin/${name}`))
    .filter((applet) => sys.exists(dirname(applet)));
}

function manyOf(host: HostPrograms, find: FindProgram): Programs {
  const entries = new Map<string, Entry>();
  let count = 0;
  let shell = false;
  for (const name of WANTED_PROGRAMS) {
    const path = find(name);
    const files = path === undefined ? undefined : host.withLibraries(path);
    if (path === undefined || files === undefined) continue;
    for (const [at, entry] of files) entries.set(at, entry);
    count += 1;
    shell ||= name === 'sh';
  }
  if (shell) return { from: `${count} programs of this host`, entries };
  throw new TsDockError(
    'missing-feature',
    'cannot make the base image: this host has no shell that could be in it',
    {
      remedy: 'Install busybox, which is then used instead.',
    },
  );
}
