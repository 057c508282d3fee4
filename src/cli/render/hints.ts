/** What a refusal by the kernel usually means, and what to do about it: by call and errno, the first entry that fits. */
import { KernelError } from '../../kernel/calls.ts';

export interface Hint {
  readonly means: string;
  readonly remedy: string;
}

const NONE: Hint = { means: '', remedy: '' };

/** Calls (`*`: any), errno, what it means, what to do. */
type Case = readonly [calls: string, code: string, means: string, remedy: string];

const CASES: readonly Case[] = [
  [
    'mount umount2 pivot_root',
    'EPERM',
    'Whoever runs this may not mount: not root, or root without CAP_SYS_ADMIN, as in a container.',
    'Run it as root of the host, or give the surrounding container --privileged.',
  ],
  [
    'mount',
    'EACCES',
    'A security module of this host (AppArmor, SELinux) forbids the mount.',
    'The kernel log says which: `dmesg | tail`.',
  ],
  [
    'mount',
    'EINVAL',
    'An overlay cannot have its upper layer on another overlay, nor on a network filesystem.',
    'Give --root a folder on ext4, xfs, btrfs or tmpfs; `findmnt -T FOLDER` shows what lies where.',
  ],
  [
    'mount',
    'ENODEV',
    'This kernel has no such filesystem, or its module is not loaded.',
    'For overlay: `modprobe overlay`.',
  ],
  [
    'mount',
    'ESTALE',
    'The work folder of the overlay belongs to another upper layer.',
    '`ts-dock rm` the container and create it anew.',
  ],
  [
    'umount2 rmdir',
    'EBUSY',
    'A process still has something open there, or stands in it.',
    'Find it with `fuser -vm PATH`.',
  ],
  [
    'clone clone3 unshare',
    'ENOSPC',
    'A limit on the number of namespaces is reached.',
    'Look at /proc/sys/user/max_*_namespaces, and count with `lsns`.',
  ],
  [
    'clone clone3 unshare setns',
    'EPERM',
    'Whoever runs this may not make namespaces: not root, or root without CAP_SYS_ADMIN.',
    'Run it as root of the host, or give the surrounding container --privileged.',
  ],
  [
    'clone clone3 unshare',
    'EINVAL',
    'This kernel lacks one of the namespaces.',
    '`ls /proc/self/ns` shows those that it has.',
  ],
  [
    'clone clone3',
    'EAGAIN',
    'A limit on the number of processes is reached.',
    'Look at `ulimit -u` and at pids.max of your cgroup.',
  ],
  [
    'clone clone3 execveat',
    'ENOMEM',
    'The kernel is out of memory, or of process ids in that namespace.',
    'Look at `free -m` and at the kernel log.',
  ],
  [
    'openat2',
    'ENOSYS',
    'This kernel is older than 5.6: ts-dock opens what is not its own with openat2 alone.',
    'A newer kernel is needed.',
  ],
  [
    'openat2',
    'EXDEV',
    'A path in the image leads out of it, or into another mount.',
    'Look at the image: a part of the path is a link.',
  ],
  [
    'openat2',
    'ELOOP',
    'A path in the image has a symbolic link where none may be.',
    'Look at the image: a part of the path is a link.',
  ],
  [
    'RTM_NEWLINK',
    'EPERM',
    'Whoever runs this may not change the network: CAP_NET_ADMIN is missing.',
    '`--net none` does without.',
  ],
  [
    'RTM_NEWLINK',
    'EOPNOTSUPP',
    'This kernel has no bridge or no veth module.',
    '`modprobe bridge veth`, or `--net none`.',
  ],
  [
    'RTM_NEWLINK',
    'EEXIST',
    'A link of that name is there already.',
    '`ip link` shows it; `ts-dock recover` removes what a killed run left.',
  ],
  [
    'execve',
    'ENOENT',
    'A program of this host is missing.',
    'Install it, or use an option that does without.',
  ],
  [
    '*',
    'ENOSPC',
    'The disk that holds the root is full, or has no inodes left.',
    '`df -h` and `df -i` show it; --root can point elsewhere.',
  ],
  ['*', 'EDQUOT', 'A quota of the disk that holds the root is used up.', '--root can point elsewhere.'],
  ['*', 'EROFS', 'The filesystem is mounted read-only.', 'Give --root a folder that can be written to.'],
  ['*', 'EMFILE', 'This process has no descriptors left.', 'Raise `ulimit -n`.'],
  ['*', 'ENFILE', 'The whole system has no descriptors left.', 'Raise /proc/sys/fs/file-max.'],
  ['*', 'EIO', 'The disk reported an error.', 'Look at the kernel log: `dmesg | tail`.'],
];

/** Also of a refusal that somebody has already put into words. */
export function hintFor(error: unknown): Hint {
  const refusal = error instanceof Error && error.cause instanceof KernelError ? error.cause : error;
  if (!(refusal instanceof KernelError)) return NONE;
  const found = CASES.find(
    ([calls, code]) => code === refusal.code && (calls === '*' || calls.split(' ').includes(refusal.call)),
  );
  return found === undefined ? NONE : { means: found[2], remedy: found[3] };
}
