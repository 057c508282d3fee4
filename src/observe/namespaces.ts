/** The namespaces of the container's process, each beside ours: which it has of its own, which it shares with the host. */
import type { Subject } from './names.ts';
import { readLink } from './read.ts';

const KINDS = ['mnt', 'uts', 'ipc', 'pid', 'net', 'user', 'cgroup', 'time'] as const;

export function namespaceOf(pid: number | 'self', kind: string): string | undefined {
  return /\[(\d+)\]/.exec(readLink(`/proc/${pid}/ns/${kind}`) ?? '')?.[1];
}

export function namespaces({ pid }: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  if (pid === undefined) return lines;
  for (const kind of KINDS) {
    const its = namespaceOf(pid, kind);
    if (its !== undefined)
      lines[kind] = its === namespaceOf('self', kind) ? `${its} (the host's)` : `${its} (its own)`;
  }
  return lines;
}
