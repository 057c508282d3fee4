/** The kernel: which it is, which calls and namespaces it gives, and what whoever runs this may ask of it. */
import { release } from 'node:os';
import { join } from 'node:path';
import { buildFolder } from '../kernel/binding.ts';
import { CAPABILITY_NAMES, capabilitiesIn } from '../kernel/capability-names.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, CLONE, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { differs, missing, ok, type Check, type Verdict } from './check.ts';

export const kernel: readonly Check[] = [
  {
    id: 'kernel.release',
    title: 'Kernel',
    required: true,
    look() {
      const seen = `${process.platform === 'linux' ? 'Linux' : process.platform} ${release()}, ${process.arch}`;
      const brief = seen.replace(',', '');
      if (process.platform !== 'linux')
        return missing(seen, { means: 'Containers are made by the Linux kernel.', brief });
      return ['x64', 'arm64'].includes(process.arch)
        ? ok(seen, { brief })
        : missing(seen, { means: 'The native part is written for x64 and arm64.', brief });
    },
  },
  {
    id: 'kernel.calls',
    title: 'Calls',
    required: true,
    look({ sys }) {
      const lacking = sys.lackingCalls();
      if (lacking.length === 0) return ok('all that are needed answer');
      return missing(`no ${lacking.join(', ')}`, {
        means: 'ts-dock needs Linux 5.12 or newer, and a seccomp filter around it may not hide its calls.',
        remedy: 'Use a newer kernel; in a container, a newer engine or `--security-opt seccomp=unconfined`.',
        brief: `no ${lacking.join(', ')}`,
      });
    },
  },
  {
    id: 'kernel.namespaces',
    title: 'Namespaces',
    required: true,
    needsRoot: true,
    look: ({ sys }) => namespaces(sys),
  },
  { id: 'kernel.capabilities', title: 'Capabilities', required: true, look: ({ sys }) => capabilities(sys) },
  { id: 'kernel.user-namespaces', title: 'User namespaces', look: ({ sys }) => userNamespaces(sys) },
  { id: 'kernel.seccomp', title: 'Seccomp', look: ({ sys }) => seccomp(sys) },
  { id: 'kernel.lsm', title: 'AppArmor, SELinux', look: ({ sys }) => securityModule(sys) },
  { id: 'kernel.container', title: 'Inside a container', look: ({ sys }) => nested(sys) },
];

// --- namespaces -----------------------------------------------------------------------------------------------------

/** Tried and not read: limits, filters and missing options of the kernel all show in the one refusal. */
async function namespaces(sys: Kernel): Promise<Verdict> {
  const names = Object.keys(CLONE) as (keyof typeof CLONE)[];
  const words = names.map((name) => name.slice(3).toLowerCase().replace('ns', 'mnt'));
  const all = Object.values(CLONE).reduce((sum: number, flag) => sum | flag, 0);
  const refusal = await tryClone(sys, all);
  if (refusal === undefined) return ok(`${words.join(', ')}: tried, all at once`);
  const refused: string[] = [];
  for (const [index, name] of names.entries())
    if ((await tryClone(sys, CLONE[name])) !== undefined) refused.push(words[index] ?? name);
  return missing(`${refused.length === 0 ? 'all at once' : refused.join(', ')}: ${refusal}`, {
    means: 'Every container gets these five of its own.',
    remedy: 'Look at /proc/sys/user/max_*_namespaces; in a container it must be a privileged one.',
    brief: `no namespaces (${refused.join(',')})`,
  });
}

/** dockerinit, which only prints its table, in new namespaces; why not, where it cannot. */
async function tryClone(sys: Kernel, flags: number): Promise<string | undefined> {
  const exe = sys.openat2(AT_FDCWD, join(buildFolder(), 'dockerinit'), O.RDONLY | O.CLOEXEC, 0, 0);
  const none = sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0);
  try {
    const argv = ['dockerinit', '--steps'];
    const { pidfd } = sys.clone({ exe, argv, env: [], flags, cwd: '/', fds: [none, none, none] });
    try {
      await sys.readable(pidfd);
      const ended = sys.waitPidfd(pidfd);
      return ended?.how === 'exited' && ended.status === 0 ? undefined : 'the process in them failed';
    } finally {
      sys.close(pidfd);
    }
  } catch (error) {
    if (error instanceof KernelError) return error.code;
    throw error;
  } finally {
    sys.close(none);
    sys.close(exe);
  }
}

function userNamespaces(sys: Kernel): Verdict {
  const most = sys.readIfThere('/proc/sys/user/max_user_namespaces')?.trim();
  const means =
    'ts-dock makes none, and its filter forbids them to containers; programs without root cannot either.';
  if (most === undefined) return differs('the kernel has none', { means });
  const closed = sys.readIfThere('/proc/sys/kernel/unprivileged_userns_clone')?.trim() === '0';
  if (most === '0' || closed) return differs(`at most ${closed ? '0 without root' : most}`, { means });
  return ok(`at most ${most}`);
}

// --- what we may ----------------------------------------------------------------------------------------------------

/** What daemon and dockerinit do with them: without one of these, some step fails. */
const NEEDED = [
  ...['SYS_ADMIN', 'NET_ADMIN', 'SYS_CHROOT', 'MKNOD', 'CHOWN', 'FOWNER', 'DAC_OVERRIDE', 'KILL'],
  ...['SETUID', 'SETGID', 'SETPCAP', 'SETFCAP'],
];

const fieldOf = (status: string, name: string): string =>
  new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';

function capabilities(sys: Kernel): Verdict {
  const own = capabilitiesIn(fieldOf(sys.readFile('/proc/self/status'), 'CapEff'));
  const last = Number(
    sys.readIfThere('/proc/sys/kernel/cap_last_cap')?.trim() ?? CAPABILITY_NAMES.length - 1,
  );
  const lacking = CAPABILITY_NAMES.slice(0, last + 1).filter((name) => !own.includes(name));
  const brief = `caps ${own.length}/${last + 1}${lacking.length > 0 && lacking.length < 4 ? ` (no ${lacking.join(', ')})` : ''}`;
  const needed = lacking.filter((name) => NEEDED.includes(name));
  if (needed.length > 0)
    return missing(`${own.length} of ${last + 1}, without ${needed.join(' ')}`, {
      means: 'Setting up a container asks for these.',
      remedy: 'Run as root; in a container, in a privileged one.',
      brief,
    });
  if (lacking.length === 0) return ok(`all ${own.length}`, { brief });
  return differs(`${own.length} of ${last + 1}, without ${lacking.join(' ')}`, {
    means: lacking.includes('SYS_RESOURCE')
      ? 'A container cannot get what root here does not have, and no limit (--ulimit) above this host’s own.'
      : 'A container cannot get what root here does not have.',
    brief,
  });
}

function seccomp(sys: Kernel): Verdict {
  const actions = sys.readIfThere('/proc/sys/kernel/seccomp/actions_avail')?.trim().split(' ') ?? [];
  const status = sys.readFile('/proc/self/status');
  const field = fieldOf(status, 'Seccomp');
  if (field === '' || (actions.length > 0 && !actions.includes('errno')))
    return missing('the kernel has no filters', {
      means: 'init.seccomp cannot install its deny list, so containers do not start.',
      remedy: 'Use a kernel with CONFIG_SECCOMP_FILTER.',
      brief: 'no seccomp',
    });
  if (field !== '2') return ok('filters; none on ts-dock itself', { brief: 'seccomp' });
  return differs(`filters; ${fieldOf(status, 'Seccomp_filters') || 'one'} on ts-dock itself`, {
    means: 'What that filter refuses is refused to every container too.',
    brief: 'seccomp, filtered',
  });
}

function securityModule(sys: Kernel): Verdict {
  const apparmor = sys.readIfThere('/sys/module/apparmor/parameters/enabled')?.trim() === 'Y';
  const selinux = sys.readIfThere('/sys/fs/selinux/enforce')?.trim();
  const file = apparmor ? '/proc/self/attr/apparmor/current' : '/proc/self/attr/current';
  const label = apparmor || selinux !== undefined ? attribute(sys, file) : '';
  if (selinux !== undefined) {
    const mode = selinux === '1' ? 'enforcing' : 'permissive';
    return ok(`SELinux, ${mode}${label === '' ? '' : `, as ${label}`}`, { brief: `SELinux ${mode}` });
  }
  if (apparmor) return ok(`AppArmor${label === '' ? '' : `, as ${label}`}`, { brief: 'AppArmor' });
  return differs('neither', {
    means: 'init.lsm has nothing to apply; capabilities, masks and seccomp are the fences that are left.',
    brief: 'no LSM',
  });
}

function attribute(sys: Kernel, path: string): string {
  try {
    return (sys.readIfThere(path) ?? '').replace(/\0/g, '').trim();
  } catch {
    // Without a module the file is there, and reading it is EINVAL.
    return '';
  }
}

// --- where we are ---------------------------------------------------------------------------------------------------

/** The first namespaces of a kernel have fixed numbers (include/linux/proc_ns.h): having another is being inside. */
const FIRST = {
  uts: 4026531838,
  ipc: 4026531839,
  pid: 4026531836,
  user: 4026531837,
  cgroup: 4026531835,
} as const;

function nested(sys: Kernel): Verdict {
  const own: string[] = [];
  for (const [kind, first] of Object.entries(FIRST)) {
    const number = Number(/\[(\d+)\]/.exec(linkOf(sys, `/proc/self/ns/${kind}`))?.[1] ?? first);
    if (number !== first) own.push(kind);
  }
  const marks = ['/.dockerenv', '/run/.containerenv'].filter((path) => sys.exists(path));
  if (own.includes('user'))
    return differs(`yes: in a user namespace of its own (${own.join(', ')})`, {
      means: 'Root here is not root of the host: device nodes, some mounts and cgroups are refused.',
      remedy: 'Run ts-dock outside of it.',
      brief: 'in a user namespace',
    });
  if (own.length === 0 && marks.length === 0) return ok('no', { brief: 'not nested' });
  const seen =
    own.length === 0
      ? `not by its namespaces, but there is ${marks.join(' ')}`
      : `namespaces of its own: ${own.join(', ')}`;
  return differs(seen, {
    means: 'Bridge, rules and cgroups are made in this container, not on the machine around it.',
    remedy: 'It must be a privileged one, with a volume for --root.',
    brief: `nested (${own.length === 0 ? marks.join(' ') : own.join(',')})`,
  });
}

function linkOf(sys: Kernel, path: string): string {
  try {
    return sys.readlink(path);
  } catch {
    return '';
  }
}
