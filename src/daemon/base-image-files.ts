/** What is in the base image apart from the host's programs: folders, accounts, the greeting. */
import { dirname } from 'node:path';
import type { Kernel } from '../kernel/kernel.ts';
import { GREETING_LINES } from './base-image-greeting.ts';
import type { Config } from './model.ts';
import type { Entry } from './layer-files.ts';

/** Links between folders on a host that has merged /usr (some merge sbin or lib64 as well). */
const MERGED_FOLDERS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/usr/sbin', '/usr/lib64'];

/** `/bin → usr/bin` as the host has it, so that each of its files can keep its path. */
export function mergedFolders(sys: Kernel): [string, Entry][] {
  return MERGED_FOLDERS.filter((path) => sys.exists(path)).flatMap((path): [string, Entry][] => {
    if (!sys.lstat(path).isSymbolicLink()) return [[path, { folder: 0o755 }]];
    // Absolute ones would leave the image when something looks at it from outside.
    const target = sys.readlink(path).replace(/^\/+/, dirname(path) === '/' ? '' : '../');
    return [
      [path, { link: target }],
      [sys.realpath(path), { folder: 0o755 }],
    ];
  });
}

const folders = (mode: number, ...paths: readonly string[]): [string, Entry][] =>
  paths.map((path) => [path, { folder: mode }]);
const file = (path: string, mode: number, ...lines: readonly string[]): [string, Entry] => [
  path,
  { text: `${lines.join('\n')}\n`, mode },
];

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const SKELETON: readonly [string, Entry][] = [
  ...folders(
    0o755,
    '/dev',
    '/etc',
    '/home',
    '/media',
    '/mnt',
    '/opt',
    '/proc',
    '/run',
    '/srv',
    '/sys',
    '/usr',
    '/var',
  ),
  ...folders(
    0o755,
    '/usr/bin',
    '/usr/lib',
    '/usr/share',
    '/usr/local/bin',
    '/usr/local/lib',
    '/usr/local/sbin',
  ),
  ...folders(0o755, '/var/cache', '/var/lib', '/var/log', '/var/spool'),
  ...folders(0o1777, '/tmp', '/var/tmp'),
  ...folders(0o700, '/root'),
  ['/var/run', { link: '../run' }],
  file(
    '/etc/passwd',
    0o644,
    'root:x:0:0:root:/root:/bin/sh',
    'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
    'user:x:1000:1000:somebody without rights:/home:/bin/sh',
    'nobody:x:65534:65534:nobody:/nonexistent:/bin/false',
  ),
  file(
    '/etc/group',
    0o644,
    'root:x:0:',
    'daemon:x:1:',
    'tty:x:5:',
    'users:x:100:',
    'user:x:1000:',
    'nogroup:x:65534:',
  ),
  file('/etc/nsswitch.conf', 0o644, 'passwd: files', 'group: files', 'shadow: files', 'hosts: files dns'),
  file('/etc/profile', 0o644, `export PATH=${PATH}`, "export PS1='\\$ '"),
];

export const GREETING = '/usr/bin/hello-from-ts-dock';

export const GREETING_ENTRIES: readonly [string, Entry][] = [file(GREETING, 0o755, ...GREETING_LINES)];

export const BASE_CONFIG: Partial<Config> = { Env: [`PATH=${PATH}`], Cmd: [GREETING], WorkingDir: '/' };
