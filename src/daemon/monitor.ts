/**
 * The monitor of a container, seen from the ts-dock that starts it (native/monitor/PROTOCOL.md): the container's parent,
 * which stays when ts-dock leaves. Until {@link Monitor.own} the container dies with this process, as without a monitor.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { buildFolder, type Cloned } from '../kernel/binding.ts';
import type { EndedAt } from '../flows/values.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { FrameSocket, type MonitorFrame } from './monitor-frames.ts';
import { endedOf } from './monitor-end.ts';

export interface MonitorRequest {
  /** The run's lock file. */
  readonly lock: string;
  /** Where attach.sock and exit.json go: `execdriver/native/<id>`. */
  readonly folder: string;
  /** Empty: no log. */
  readonly log: string;
  readonly mode: 'tty' | 'pipes';
  /** The container has a standard input. */
  readonly stdin: boolean;
  /** What is executed at the end, when this process is gone. */
  readonly teardown: readonly string[];
  readonly env: readonly string[];
}

interface Waiter {
  readonly resolve: (frame: MonitorFrame) => void;
  readonly reject: (error: unknown) => void;
}

export class Monitor {
  readonly pid: number;
  private readonly sys: Kernel;
  private readonly pidfd: number;
  private readonly socket: FrameSocket;
  private readonly waiters: Waiter[] = [];
  private gone = false;
  private dead: TsDockError | undefined;
  private tell: (ended: EndedAt | TsDockError) => void = () => undefined;
  private readonly end = new Promise<EndedAt | TsDockError>((resolve) => (this.tell = resolve));

  private constructor(sys: Kernel, pid: number, pidfd: number, control: number) {
    this.sys = sys;
    this.pid = pid;
    this.pidfd = pidfd;
    this.socket = new FrameSocket(sys, control);
    this.socket.listen({
      frame: (frame) => {
        this.hear(frame);
      },
      ended: () => {
        this.lost();
      },
    });
  }

  /** Starts the process. It does nothing before {@link supervise}, and ends with this process. */
  static start(sys: Kernel): Monitor {
    const path = join(buildFolder(), 'monitor');
    const exe = sys.openat2(AT_FDCWD, path, O.RDONLY | O.CLOEXEC | O.NOFOLLOW, 0, 0);
    const nothing = sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0);
    const [ours, theirs] = sys.socketpair();
    try {
      const fds = [nothing, nothing, nothing, theirs];
      const { pid, pidfd } = sys.clone({ exe, argv: ['ts-dock-monitor'], env: [], flags: 0, cwd: '/', fds });
      return new Monitor(sys, pid, pidfd, ours);
    } finally {
      for (const fd of [exe, nothing, theirs]) sys.close(fd);
    }
  }

  async supervise({ lock, folder, log, mode, stdin, teardown, env }: MonitorRequest): Promise<void> {
    const input = stdin ? 'open' : 'closed';
    await this.ask(
      ['supervise', lock, folder, log, mode, input, teardown.length, ...teardown, env.length, ...env],
      'supervising',
    );
  }

  /** dockerinit becomes a child of the monitor. The pidfd is this process's own. */
  async clone(request: {
    readonly exe: number;
    readonly pipe: number;
    readonly flags: number;
    readonly cwd: string;
    readonly argv: readonly string[];
  }): Promise<Cloned> {
    const { exe, pipe, flags, cwd, argv } = request;
    const { rest } = await this.ask(['clone', flags, cwd, ...argv], 'cloned', [exe, pipe]);
    const pidfd = this.socket.descriptors.shift();
    if (pidfd === undefined) throw misbehaved('`cloned` without a descriptor');
    return { pid: Number(rest.toString()), pidfd };
  }

  /** Hands over the master of the container's terminal; ours is closed by the caller. */
  console(master: number): void {
    this.socket.send(['console'], [master]);
  }

  /** From now on the container outlives this process. */
  async own(): Promise<void> {
    await this.ask(['own'], 'owned');
  }

  /** Resolves when the container has ended. */
  async ended(): Promise<EndedAt> {
    const ended = await this.end;
    if (ended instanceof TsDockError) throw ended;
    return ended;
  }

  /** This process does the teardown, and the monitor ends. Resolves when it has. */
  async dismiss(): Promise<void> {
    this.socket.send(['bye']);
    await this.sys.readable(this.pidfd);
    this.sys.waitPidfd(this.pidfd);
    this.close();
  }

  /** Leaves the monitor to itself: with {@link own} it goes on, without it ends, and the container with it. Idempotent. */
  close(): void {
    if (this.gone) return;
    this.gone = true;
    this.socket.close();
    this.sys.close(this.pidfd);
  }

  private async ask(
    fields: readonly (string | number)[],
    expected: string,
    fds: readonly number[] = [],
  ): Promise<MonitorFrame> {
    // It may have died while somebody stood at a breakpoint: nobody would ever answer.
    if (this.dead !== undefined) throw this.dead;
    const answer = await new Promise<MonitorFrame>((resolve, reject) => {
      this.waiters.push({ resolve, reject });
      this.socket.send(fields, fds);
    });
    if (answer.type === expected) return answer;
    const [call = '', errno = ''] = answer.rest.toString().split('\0');
    if (answer.type === 'refused') throw new KernelError(call, ['in the monitor'], Number(errno));
    throw misbehaved(`\`${answer.type}\` where \`${expected}\` was expected`);
  }

  private hear(frame: MonitorFrame): void {
    if (frame.type === 'exited') this.tell(endedOf(frame.rest) ?? misbehaved('an end that is none'));
    else this.waiters.shift()?.resolve(frame);
  }

  private lost(): void {
    const error = new TsDockError('init-died', 'the monitor of the container has ended', {
      means: 'It was killed, and the kernel ended the container with it.',
      remedy: 'Look at the kernel log (dmesg) for the out-of-memory killer.',
    });
    this.dead = error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
    this.tell(error);
  }
}

function misbehaved(what: string): TsDockError {
  return new TsDockError('handshake', `the monitor said ${what}`, {
    remedy: 'Rebuild ts-dock (`npm run build`); if it comes again, this is a bug.',
  });
}
