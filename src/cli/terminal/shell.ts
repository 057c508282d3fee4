/**
 * The debugger's shell: at a pause, on the host or in the half-built container. It gets a terminal of its own, none of our
 * descriptors, and a cgroup of its own, by which everything that it started ends with it. Once "/" is the image's, what runs
 * is the image's shell, so it may do no more than the container's own root.
 */
import {
  joinFiles,
  makeGroup,
  makeParent,
  removeCgroup,
  removeCgroupParent,
  setLimits,
} from '../../daemon/cgroups.ts';
import { freshInit, sealInit } from '../../daemon/dockerinit.ts';
import { DEFAULT_PATH } from '../../daemon/environment.ts';
import { underLock } from '../../daemon/lock.ts';
import { NO_RESOURCES } from '../../daemon/resources.ts';
import type { Place } from '../../daemon/place.ts';
import type { FrontEnd, ShellRequest } from '../../engine/frontend.ts';
import { TsDockError } from '../../engine/failure.ts';
import { CAPABILITY_NAMES } from '../../kernel/capability-names.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { clean } from '../render/text.ts';
import { PtyEnd } from './console-end.ts';
import { relay, type Screen } from './relay.ts';

/** How it ended: an exit code, 128 and the signal if it was killed. */
export type ShellStatus = number;

/** Where the words of a shell go; undefined screen: its output is collected. */
export interface ShellPlace {
  readonly place: Place;
  readonly screen: Screen | undefined;
}

const MOST_OUTPUT = 65_536;

/** A port of its own: what a shell asks for is not what a step asked for. */
const sys = new Kernel();

export async function runShell(
  { place, screen }: ShellPlace,
  request: ShellRequest,
): Promise<{ readonly status: ShellStatus; readonly output: Buffer }> {
  const started = start(place, request, screen !== undefined);
  const output = collect(started.output);
  const ending = (): Promise<void> => end(place, request.group);
  // Asked to end at once, whatever it is doing.
  void request.interruption.then(ending).catch(() => undefined);
  let status: ShellStatus | undefined;
  try {
    status = await speak(started.socket, screen);
  } finally {
    sys.close(started.socket);
    await ending();
    await sys.readable(started.pidfd);
    sys.waitPidfd(started.pidfd);
    sys.close(started.pidfd);
  }
  // Whoever held the other end is gone.
  const said = await output;
  if (status === undefined) throw notOpened(said);
  return { status, output: said };
}

interface Started {
  readonly pidfd: number;
  readonly socket: number;
  /** Our end of what it writes to; with a terminal, of what the helper has to say. */
  readonly output: number;
}

function start(place: Place, request: ShellRequest, tty: boolean): Started {
  const { pidfd, line, group } = request;
  const paths = underLock(sys, place, () => {
    makeParent(sys, group.parent);
    return makeGroup(sys, group.parent, group.name);
  });
  // The same devices as a container: with none denied, its root could make a node of the host's disk.
  setLimits(sys, paths, NO_RESOURCES);
  const [socket, theirs] = sys.socketpair();
  const opened = [theirs];
  const keep = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  try {
    const nothing = keep(sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0));
    const [output, writer] = sys.socketpair();
    keep(writer);
    const { pidfd: ours } = sys.clone({
      exe: keep(dockerinit(place)),
      argv: [
        'shell',
        ...joinFiles(paths).flatMap((file) => ['-cgroup', file]),
        ...(tty ? ['-tty'] : []),
        ...(pidfd === undefined ? [] : ['-join', ...jail(request)]),
        ...['--', 'sh', ...(line === null ? [] : ['-c', line])],
      ],
      env: environment(request),
      flags: 0,
      cwd: '/',
      fds: [nothing, writer, writer, theirs, ...(pidfd === undefined ? [] : [pidfd])],
    });
    return { pidfd: ours, socket, output };
  } catch (error) {
    sys.close(socket);
    throw error;
  } finally {
    for (const fd of opened) sys.close(fd);
  }
}

async function end(place: Place, { parent, name }: ShellRequest['group']): Promise<void> {
  await removeCgroup(sys, parent, name);
  underLock(sys, place, () => removeCgroupParent(sys, parent));
}

function dockerinit(place: Place): number {
  sys.ensureDir(place.root, 0o700);
  return sealInit(sys, freshInit(sys, place).path);
}

/** Before the pivot the root is the host's, and so is the shell. */
function jail({ pid, capabilities }: ShellRequest): string[] {
  const [host, there] = [sys.stat('/'), sys.stat(`/proc/${pid?.toString() ?? 'self'}/root/`)];
  if (host.dev === there.dev && host.ino === there.ino) return [];
  const bits = capabilities.reduce((sum, name) => {
    const number = (CAPABILITY_NAMES as readonly string[]).indexOf(name);
    return number < 0 ? sum : sum | (1n << BigInt(number));
  }, 0n);
  return ['-jail', bits.toString(16)];
}

/** Of ours, nothing but the kind of terminal: the shell may be the image's. */
function environment({ facts }: ShellRequest): string[] {
  const { TERM } = process.env;
  return [
    `PATH=${DEFAULT_PATH}`,
    'HOME=/root',
    `TERM=${TERM !== undefined && /^[\w.+-]{1,64}$/.test(TERM) ? TERM : 'xterm'}`,
    ...Object.entries(facts).map(([name, value]) => `${name}=${value}`),
  ];
}

/** The helper's words: a terminal's master first, if there is one, then how the shell ended. Undefined: nothing of that. */
async function speak(socket: number, screen: Screen | undefined): Promise<ShellStatus | undefined> {
  let end: PtyEnd | undefined;
  let joined: Promise<unknown> | undefined;
  try {
    for (;;) {
      await sys.readable(socket);
      const got = sys.recv(socket, 4096);
      if (got === undefined) continue;
      const [master] = got.fds;
      if (master !== undefined && screen !== undefined && end === undefined) {
        end = new PtyEnd(sys, master);
        joined = relay(sys, end, screen);
        joined.catch(() => undefined);
        const size = screen.terminal === undefined ? undefined : sys.windowSize(screen.terminal);
        if (size !== undefined) end.resize(size.rows, size.columns);
      }
      if (got.bytes.length === 0) return undefined;
      if (got.bytes.length < 2 || master !== undefined) continue;
      const [how = 0, number = 0] = got.bytes.subarray(-2);
      end?.finish();
      await joined;
      return how === 0 ? number : 128 + number;
    }
  } finally {
    end?.finish();
    await joined?.catch(() => undefined);
    end?.close();
  }
}

function notOpened(said: Buffer): TsDockError {
  const why = clean(said.toString().trim());
  return new TsDockError('init-died', why === '' ? 'the shell was ended from outside' : why);
}

/** All that is written, up to a limit: what is beyond it is read and dropped, so that nobody waits. */
async function collect(fd: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  sys.nonblocking(fd);
  try {
    for (;;) {
      await sys.readable(fd);
      const bytes = sys.readNow(fd, 16_384);
      if (bytes === undefined) continue;
      if (bytes.length === 0) return Buffer.concat(parts);
      if (size < MOST_OUTPUT) parts.push(bytes);
      size += bytes.length;
    }
  } finally {
    sys.close(fd);
  }
}

/** What a front end has for `shell`: a whole one where there is a screen, and single commands everywhere. */
export function shellFor(
  place: Place,
  say: (text: string) => void,
  screen: Screen | undefined,
): NonNullable<FrontEnd['shell']> {
  return async (request) => {
    const whole = request.line === null;
    if (whole && screen === undefined)
      throw new TsDockError(
        'bad-usage',
        'a shell needs a person at a terminal: from a script, `shell COMMAND`',
      );
    const { status, output } = await runShell({ place, screen: whole ? screen : undefined }, request);
    const lines = output.toString().split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of whole ? [] : lines) say(`  ${clean(line.replaceAll('\t', '    '))}`);
    if (output.length >= MOST_OUTPUT) say('  … and more');
    if (status !== 0) say(`  the ${whole ? 'shell' : 'command'} ended with ${status.toString()}`);
  };
}
