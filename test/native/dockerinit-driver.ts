/**
 * Plays the daemon against the real build/dockerinit: clones it in new namespaces, speaks native/PROTOCOL.md with it and
 * keeps what it said. Nothing here checks the order of frames: that is the handshake's work, this is a witness.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InitConfig } from '../../src/daemon/init-config.ts';
import { binding, buildFolder, type Ended, type Or } from '../../src/kernel/binding.ts';

/** CLONE_NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET: Docker's five. */
export const NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000;
export const NEWNET = 0x40000000;

export interface Frame {
  readonly t: string;
  readonly step?: string;
  readonly call?: string;
  readonly args?: readonly string[];
  readonly errno?: number;
  readonly detail?: string;
  readonly start?: number;
  readonly at?: number;
  readonly calls?: readonly { c: string; a: string[]; r: number; e: number; at: number; ns: number }[];
  readonly more?: number;
  readonly notes?: Readonly<Record<string, string | number | boolean>>;
}

export type Deep<T> = {
  [K in keyof T]?: T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Deep<T[K]> : T[K];
};

const must = <T>(value: Or<T>): T => {
  if (typeof value === 'object' && value !== null && 'errno' in value && 'call' in value) {
    const refused = value;
    throw new Error(`${refused.call}: errno ${refused.errno}`);
  }
  return value;
};

const device = (path: string, major: number, minor: number) =>
  ({
    type: 99,
    path,
    major_number: major,
    minor_number: minor,
    cgroup_permissions: 'rwm',
    file_mode: 0o666,
  }) as const;

/** What Docker 1.2.0 would have written for `docker run --net=none busybox`, with today's additions. */
export const baseConfig: InitConfig = {
  mount_config: {
    mounts: [],
    device_nodes: [
      device('/dev/null', 1, 3),
      device('/dev/zero', 1, 5),
      device('/dev/full', 1, 7),
      device('/dev/tty', 5, 0),
      device('/dev/urandom', 1, 9),
      device('/dev/random', 1, 8),
    ],
    readonly_fs: false,
    mount_label: '',
  },
  hostname: 'inside',
  user: '',
  working_dir: '',
  environment: ['PATH=/usr/bin:/bin', 'SECRET=hidden'],
  namespaces: { NEWNS: true, NEWUTS: true, NEWIPC: true, NEWPID: true, NEWNET: true },
  capabilities: [
    ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP'],
    ...['SETPCAP', 'NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE'],
  ],
  networks: [{ type: 'loopback', address: '127.0.0.1/0', gateway: 'localhost', mtu: 1500 }],
  tty: false,
  apparmor_profile: '',
  process_label: '',
  restrict_sys: true,
  today: {
    masked_paths: [
      '/proc/kcore',
      '/proc/keys',
      '/proc/acpi',
      '/proc/scsi',
      '/proc/timer_list',
      '/sys/firmware',
    ],
    readonly_paths: [
      '/proc/bus',
      '/proc/fs',
      '/proc/irq',
      '/proc/sys',
      '/proc/sysrq-trigger',
      '/proc/absent',
    ],
    rlimits: [],
    shm_size: 65536 * 1024,
    seccomp: true,
    oom_score_adj: 0,
    console_rows: 0,
    console_columns: 0,
    init: false,
  },
};

/** `base` with the given leaves replaced; arrays are replaced whole. */
export function changed<T>(base: T, change: Deep<T>): T {
  const result = { ...base };
  for (const [key, value] of Object.entries(change) as [keyof T, unknown][]) {
    const old = base[key];
    const nested = typeof value === 'object' && value !== null && !Array.isArray(value);
    result[key] = (nested ? changed(old, value as Deep<typeof old>) : value) as T[keyof T];
  }
  return result;
}

export interface Start {
  readonly rootfs: string;
  /** Folder that gets container.json and serves as -root. */
  readonly root: string;
  readonly config?: Deep<InitConfig>;
  /** container.json as text, where it is not to be well-formed. */
  readonly text?: string;
  readonly command?: readonly string[];
  readonly argv?: readonly string[];
  readonly program?: string;
  /** Extra flags taken away, e.g. NEWNET. */
  readonly without?: number;
  /** Descriptors 0 to 2; files beneath `root` (out, err) and /dev/null where absent. */
  readonly stdin?: number;
  /** What stands in place of the socket. */
  readonly pipe?: number;
}

export class Driver {
  readonly frames: Frame[] = [];
  readonly masters: number[] = [];
  readonly pid: number;
  private readonly pidfd: number;
  private readonly socket: number;
  private readonly start: Start;
  private buffer: Buffer = Buffer.alloc(0);
  private ended: Ended | undefined;
  private open = true;
  private eof = false;

  constructor(start: Start) {
    this.start = start;
    const b = binding();
    const { root } = start;
    mkdirSync(root, { recursive: true });
    writeFileSync(
      join(root, 'container.json'),
      start.text ?? JSON.stringify(changed(baseConfig, start.config ?? {})),
    );
    const [ours, theirs] = must(b.socketpair());
    this.socket = ours;
    const stdin = start.stdin ?? openSync('/dev/null', 'r');
    const out = openSync(join(root, 'out'), 'w');
    const err = openSync(join(root, 'err'), 'w');
    const exe = openSync(start.program ?? join(buildFolder(), 'dockerinit'), 'r');
    try {
      const cloned = must(
        b.clone({
          exe,
          argv: start.argv ?? [
            'native',
            '-console',
            '',
            '-pipe',
            '3',
            '-root',
            root,
            '--',
            ...(start.command ?? ['true']),
          ],
          env: ['LEAKED=from-the-daemon'],
          flags: NAMESPACES & ~(start.without ?? 0),
          cwd: start.rootfs,
          fds: [stdin, out, err, start.pipe ?? theirs],
        }),
      );
      this.pid = cloned.pid;
      this.pidfd = cloned.pidfd;
    } finally {
      for (const fd of [out, err, exe, theirs]) closeSync(fd);
      if (start.stdin === undefined) closeSync(stdin);
    }
  }

  get stdout(): string {
    return readFileSync(join(this.start.root, 'out'), 'utf8');
  }
  get stderr(): string {
    return readFileSync(join(this.start.root, 'err'), 'utf8');
  }

  raw(bytes: Buffer): void {
    binding().send(this.socket, bytes, []);
  }

  send(frame: object | string): void {
    const text = Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.raw(Buffer.concat([length, text]));
  }

  go(through = 'init.exec'): void {
    this.send({ t: 'go', through });
  }
  join(files: readonly string[] = []): void {
    this.send({ t: 'join', files });
  }
  network(state: object = {}): void {
    this.send({ t: 'network-state', state });
  }

  /** All that init waits for, at once: the socket keeps it. */
  free(state: object = {}): void {
    this.go();
    this.join();
    this.network(state);
  }

  /** The next frame that fits, from now or from before. */
  async until(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (let seen = 0; ;) {
      for (; seen < this.frames.length; ++seen) {
        const frame = this.frames[seen]!;
        if (fits(frame)) return frame;
      }
      if (this.eof) throw new Error(`init ended; it had said ${JSON.stringify(this.frames.slice(-3))}`);
      await this.read();
    }
  }

  entered(step: string): Promise<Frame> {
    return this.until((frame) => frame.t === 'enter' && frame.step === step);
  }
  left(step: string): Promise<Frame> {
    return this.until((frame) => frame.t === 'leave' && frame.step === step);
  }

  /** Reads to the end of file and reaps. */
  async end(): Promise<Ended> {
    while (!this.eof) await this.read();
    for (;;) {
      const ended = this.reap();
      if (ended !== undefined) return ended;
      await this.readable(this.pidfd);
    }
  }

  /** The failure that ended it; fails when there was none. */
  async failure(): Promise<{ frame: Frame; code: number }> {
    const ended = await this.end();
    const frame = this.frames.find((each) => each.t === 'fail');
    if (frame === undefined) throw new Error(`no failure, ended ${JSON.stringify(ended)}: ${this.stderr}`);
    return { frame, code: ended.status };
  }

  hangUp(): void {
    if (this.open) closeSync(this.socket);
    this.open = false;
    this.eof = true;
  }

  /** Kills what is left; for afterEach. */
  async dispose(): Promise<void> {
    if (this.reap() === undefined) binding().pidfdSend(this.pidfd, 9);
    this.hangUp();
    await this.end();
    closeSync(this.pidfd);
    for (const master of this.masters) closeSync(master);
  }

  private reap(): Ended | undefined {
    this.ended ??= must(binding().waitPidfd(this.pidfd, false)) ?? undefined;
    return this.ended;
  }

  private readable(fd: number): Promise<void> {
    return new Promise((resolve) => {
      const watch = binding().watch(fd, 1, () => {
        watch.stop();
        resolve();
      });
    });
  }

  private async read(): Promise<void> {
    const got = binding().recv(this.socket, 65536);
    if ('errno' in got) {
      // ECONNRESET: it ended with frames of ours unread.
      if (got.errno === 11) await this.readable(this.socket);
      else this.eof = true;
      return;
    }
    this.masters.push(...got.fds);
    if (got.bytes.length === 0) this.eof = true;
    this.buffer = Buffer.concat([this.buffer, got.bytes]);
    while (this.buffer.length >= 4 && this.buffer.length >= 4 + this.buffer.readUInt32BE(0)) {
      const end = 4 + this.buffer.readUInt32BE(0);
      this.frames.push(JSON.parse(this.buffer.subarray(4, end).toString()) as Frame);
      this.buffer = this.buffer.subarray(end);
    }
  }
}
