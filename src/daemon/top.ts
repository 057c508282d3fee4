/** The processes of a container, as the host's kernel has them: its cgroup says which, the host's /proc says what they are. */
import { join } from 'node:path';
import type { ExecTarget } from '../flows/values.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** One line of `top`; names and arguments are the container's own words. */
export interface TopEntry {
  readonly UID: number;
  readonly PID: number;
  readonly PPID: number;
  /** CPU time over the time since its start, in percent. */
  readonly C: number;
  /** When it started, ISO 8601. */
  readonly STIME: string;
  readonly TTY: string;
  /** CPU time in seconds. */
  readonly TIME: number;
  readonly CMD: string;
}

/** USER_HZ, which the kernel promises to user space whatever its own clock does. */
const TICKS = 100;
const MOST_COMMAND = 4096;

export function processesOf(sys: Kernel, { cgroupPaths }: ExecTarget): TopEntry[] {
  const [folder] = Object.values(cgroupPaths);
  if (folder === undefined) return [];
  const uptime = Number(sys.readFile('/proc/uptime').split(' ')[0]);
  return membersOf(sys, folder).flatMap((pid) => {
    try {
      return [entryOf(sys, pid, uptime)];
    } catch (error) {
      // It ended while the list was made.
      if (refusedWith(error, 'ENOENT', 'ESRCH')) return [];
      throw error;
    }
  });
}

/** Of the groups beneath as well, which the container may have made. */
function membersOf(sys: Kernel, folder: string): number[] {
  const own = sys.readFile(join(folder, 'cgroup.procs')).split('\n').map(Number);
  const below = sys
    .readdirPath(folder)
    .map((name) => join(folder, name))
    .filter((path) => sys.lstat(path).isDirectory())
    .flatMap((path) => membersOf(sys, path));
  return [...own.filter((pid) => pid > 0), ...below].sort((a, b) => a - b);
}

function entryOf(sys: Kernel, pid: number, uptime: number): TopEntry {
  const at = (file: string): string => sys.readFile(`/proc/${pid.toString()}/${file}`);
  const stat = at('stat');
  const bracket = stat.lastIndexOf(')');
  // Counted behind the last bracket: a name may contain any.
  const field = stat
    .slice(bracket + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0, , , terminal = 0] = field;
  const [user = 0, system = 0] = field.slice(11, 13);
  const started = (field[19] ?? 0) / TICKS;
  const seconds = (user + system) / TICKS;
  const lived = Math.max(uptime - started, 0.01);
  const words = at('cmdline').replace(/\0$/, '').replace(/\0/g, ' ').slice(0, MOST_COMMAND);
  return {
    UID: Number(/^Uid:\t(\d+)/m.exec(at('status'))?.[1] ?? 0),
    PID: pid,
    PPID: parent,
    C: Math.min(Math.floor((100 * seconds) / lived), 9999),
    STIME: new Date(Date.now() - lived * 1000).toISOString(),
    TTY: terminalName(terminal),
    TIME: Math.floor(seconds),
    CMD: words === '' ? `[${stat.slice(stat.indexOf('(') + 1, bracket)}]` : words,
  };
}

/** Majors 136 to 143 are pseudo terminals; the number lies in two parts of the device. */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (device === 0) return '?';
  return major >= 136 && major <= 143
    ? `pts/${((major - 136) * 256 + minor).toString()}`
    : `${major}:${minor}`;
}
