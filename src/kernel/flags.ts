/** Numbers of kernel flags and their names, for calls and for showing them as a learner would write them. Linux, x64 and arm64. */

export const AT_FDCWD = -100;

export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  STRICTATIME: 1 << 24,
} as const;

export const MNT = { FORCE: 1, DETACH: 2 } as const;
export const UMOUNT_NOFOLLOW = 8;

export const CLONE = {
  NEWNS: 0x20000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const;

export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  // The two that differ between the architectures are asked of Node.
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;
export const AT = { SYMLINK_NOFOLLOW: 0x100, REMOVEDIR: 0x200, EMPTY_PATH: 0x1000 } as const;
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2 } as const;
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const;
export const POLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16 } as const;

/** `MS_BIND|MS_REC` for bits of one of the tables above; what has no name stays a hexadecimal number; `0` for none. */
export function flagNames(prefix: string, table: Readonly<Record<string, number>>, bits: number): string {
  const names: string[] = [];
  let rest = bits;
  for (const [name, bit] of Object.entries(table)) {
    if (bit !== 0 && (rest & bit) === bit) {
      names.push(prefix + name);
      rest &= ~bit;
    }
  }
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
  return names.length === 0 ? '0' : names.join('|');
}

/** File types in a mode (S_IFMT). */
export const S = {
  IFMT: 0o170000,
  IFIFO: 0o010000,
  IFCHR: 0o020000,
  IFDIR: 0o040000,
  IFBLK: 0o060000,
  IFREG: 0o100000,
  IFLNK: 0o120000,
  IFSOCK: 0o140000,
} as const;

export const octal = (mode: number): string => `0${mode.toString(8)}`;
