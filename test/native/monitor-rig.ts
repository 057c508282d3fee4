/**
 * Plays ts-dock against the real build/monitor: starts it, speaks native/monitor/PROTOCOL.md with it on the control socket
 * and as a client of attach.sock. A witness, not a checker: what came is kept, in order.
 */
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { binding, buildFolder, type Ended, type Or } from '../../src/kernel/binding.ts';
import { findProgram } from '../rig/skip.ts';

const native = binding();
export const busybox = findProgram('busybox') ?? '/bin/busybox';
export const monitorProgram = join(buildFolder(), 'monitor');
export const sanitizedProgram = join(buildFolder(), 'monitor-sanitized');

export const must = <T>(value: Or<T>): T => {
  if (typeof value === 'object' && value !== null && 'errno' in value && 'call' in value) {
    throw new Error(`${value.call}: errno ${value.errno}`);
  }
  return value;
};

export function readable(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = native.watch(fd, 1, () => {
      watch.stop();
      resolve();
    });
  });
}

/** Fields joined by NUL behind their length; the last one may be bytes. */
export function frame(...fields: (string | number | Uint8Array)[]): Buffer {
  const parts = fields.flatMap((field, n) => {
    const bytes = typeof field === 'object' ? Buffer.from(field) : Buffer.from(String(field));
    return n === 0 ? [bytes] : [Buffer.from([0]), bytes];
  });
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Cuts a stream of bytes into frames. */
export class Frames {
  private rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): Buffer[] {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const bodies: Buffer[] = [];
    let at = 0;
    while (this.rest.length >= at + 4 && this.rest.length >= at + 4 + this.rest.readUInt32BE(at)) {
      const end = at + 4 + this.rest.readUInt32BE(at);
      bodies.push(this.rest.subarray(at + 4, end));
      at = end;
    }
    this.rest = this.rest.subarray(at);
    return bodies;
  }
}

/** A client of attach.sock. */
export class Client {
  readonly socket: Socket;
  /** The answer to `attach`, then the frames that are no output. */
  readonly said: string[][] = [];
  ended = false;
  private readonly frames = new Frames();
  private readonly parts: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
  private wake: () => void = () => undefined;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('data', (bytes: Buffer) => {
      for (const body of this.frames.take(bytes)) this.keep(body);
      this.wake();
    });
    const end = (): void => {
      this.ended = true;
      this.wake();
    };
    this.socket.on('end', end).on('close', end).on('error', end);
  }

  get out(): Buffer {
    return Buffer.concat(this.parts.out);
  }
  get err(): Buffer {
    return Buffer.concat(this.parts.err);
  }
  get exited(): string[] | undefined {
    return this.said.find(([type]) => type === 'exited');
  }

  send(...fields: (string | number | Uint8Array)[]): this {
    this.socket.write(frame(...fields));
    return this;
  }

  /** Until `fits` holds; fails when the connection ends before. */
  async until(fits: (client: Client) => boolean): Promise<this> {
    while (!fits(this)) {
      if (this.ended) throw new Error(`the connection ended; it had said ${JSON.stringify(this.said)}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return this;
  }

  async end(): Promise<this> {
    while (!this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
    return this;
  }

  private keep(body: Buffer): void {
    const type = body.subarray(0, 4).toString();
    if (type === 'out\0') this.parts.out.push(body.subarray(4));
    else if (type === 'err\0') this.parts.err.push(body.subarray(4));
    else this.said.push(body.toString().split('\0'));
  }
}

export interface Setup {
  readonly program?: string | undefined;
  /** Where the container's folder is made; a new one beneath /tmp when absent. */
  readonly base?: string;
}

export interface Order {
  readonly mode?: 'tty' | 'pipes';
  readonly stdin?: 'open' | 'closed';
  readonly lock?: string;
  readonly folder?: string;
  readonly log?: string;
  readonly teardown?: readonly string[];
  readonly env?: readonly string[];
}

export interface Container {
  readonly pid: number;
  readonly pidfd: number;
  /** The daemon's end of the sync pipe. */
  readonly sync: number;
}

export class Rig {
  readonly base: string;
  readonly folder: string;
  readonly lock: string;
  readonly log: string;
  readonly pid: number;
  readonly pidfd: number;
  control: number;
  container: Container | undefined;
  private readonly own: boolean;
  private readonly frames = new Frames();
  private readonly waiting: Buffer[] = [];
  private readonly descriptors: number[] = [];
  private readonly clients: Client[] = [];
  private eof = false;
  private status: Ended | undefined;

  constructor(setup: Setup = {}) {
    this.own = setup.base === undefined;
    this.base = setup.base ?? mkdtempSync(join(tmpdir(), 'monitor-'));
    this.folder = join(this.base, 'container');
    this.lock = join(this.base, 'lock');
    this.log = join(this.base, 'log');
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    if (!existsSync(this.lock)) writeFileSync(this.lock, 'run');
    const [ours, theirs] = must(native.socketpair());
    const nothing = openSync('/dev/null', 'r+');
    const errors = openSync(setup.program === undefined ? '/dev/null' : join(this.base, 'stderr'), 'a');
    const exe = openSync(setup.program ?? monitorProgram, 'r');
    const fds = [nothing, nothing, errors, theirs];
    const started = must(native.clone({ exe, argv: ['ts-dock-monitor'], env: [], flags: 0, cwd: '/', fds }));
    for (const fd of [nothing, errors, exe, theirs]) closeSync(fd);
    this.pid = started.pid;
    this.pidfd = started.pidfd;
    this.control = ours;
  }

  get socket(): string {
    return join(this.folder, 'attach.sock');
  }
  /** What a sanitizer had to say. */
  get errors(): string {
    return existsSync(join(this.base, 'stderr')) ? readFileSync(join(this.base, 'stderr'), 'utf8') : '';
  }
  get exit(): Record<string, unknown> {
    return JSON.parse(readFileSync(join(this.folder, 'exit.json'), 'utf8')) as Record<string, unknown>;
  }
  get entries(): { log: string; stream: string; time: string }[] {
    const lines = readFileSync(this.log, 'utf8').split('\n');
    if (lines.pop() !== '') throw new Error('the log does not end with a newline');
    return lines.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
  }
  /** Resolves when a text stands in the log. */
  async untilLogged(text: string): Promise<void> {
    while (!this.entries.some(({ log }) => log.includes(text))) await pause(5);
  }

  logged(stream: string): string {
    return this.entries
      .filter((entry) => entry.stream === stream)
      .map((entry) => entry.log)
      .join('');
  }

  raw(bytes: Uint8Array, fds: readonly number[] = []): void {
    let rest = bytes.subarray(must(native.send(this.control, bytes, fds)));
    while (rest.length > 0) {
      const sent = native.send(this.control, rest, []);
      if (typeof sent === 'number') rest = rest.subarray(sent);
      else if (sent.errno !== 11) return;
    }
  }
  send(...fields: (string | number | Uint8Array)[]): void {
    this.raw(frame(...fields));
  }

  /** The next frame from the monitor, and the descriptors that came so far. */
  async next(): Promise<{ fields: string[]; fds: number[] }> {
    for (;;) {
      const body = this.waiting.shift();
      if (body !== undefined) {
        return { fields: body.toString().split('\0'), fds: this.descriptors.splice(0) };
      }
      if (this.eof) throw new Error('the monitor has closed the control socket');
      await this.read();
    }
  }
  /** Waits for the end of file that breaking the protocol causes. */
  async refusal(): Promise<void> {
    while (!this.eof) await this.read();
  }

  order(order: Order = {}): Buffer {
    const teardown = order.teardown ?? [busybox, 'true'];
    const env = order.env ?? [];
    const { lock, folder, log } = { lock: this.lock, folder: this.folder, log: this.log, ...order };
    const words = [teardown.length, ...teardown, env.length, ...env];
    return frame('supervise', lock, folder, log, order.mode ?? 'pipes', order.stdin ?? 'closed', ...words);
  }
  async supervise(order: Order = {}): Promise<string[]> {
    this.raw(this.order(order));
    return (await this.next()).fields;
  }

  /** Clones `program`, as dockerinit would be, and keeps what belongs to it. */
  async clone(program: string, argv: readonly string[], flags = 0, cwd = '/'): Promise<Container> {
    const [ours, theirs] = must(native.socketpair());
    const exe = openSync(program, 'r');
    this.raw(frame('clone', flags, cwd, ...argv), [exe, theirs]);
    closeSync(exe);
    closeSync(theirs);
    const { fields, fds } = await this.next();
    if (fields[0] !== 'cloned') {
      closeSync(ours);
      throw new Error(fields.join(' '));
    }
    this.container = { pid: Number(fields[1]), pidfd: fds[0]!, sync: ours };
    return this.container;
  }
  shell(script: string, flags = 0): Promise<Container> {
    return this.clone(busybox, ['sh', '-c', script], flags);
  }

  /** Supervised, with a shell as container. */
  async begin(script: string, order: Order = {}): Promise<this> {
    const said = await this.supervise(order);
    if (said[0] !== 'supervising') throw new Error(said.join(' '));
    await this.shell(script);
    return this;
  }

  client(): Client {
    const client = new Client(this.socket);
    this.clients.push(client);
    return client;
  }
  async attach(input: 0 | 1): Promise<Client> {
    return this.client()
      .send('attach', input)
      .until((client) => client.said.length > 0);
  }

  async exited(): Promise<string[]> {
    const { fields } = await this.next();
    if (fields[0] !== 'exited') throw new Error(`not the exit: ${fields.join(' ')}`);
    return fields.slice(1);
  }

  hangUp(): void {
    if (this.control >= 0) closeSync(this.control);
    this.control = -1;
    this.eof = true;
  }
  /** How the monitor, or what it became, ended. */
  async end(): Promise<Ended> {
    while (this.status === undefined) {
      await readable(this.pidfd);
      this.status = must(native.waitPidfd(this.pidfd, false)) ?? undefined;
    }
    return this.status;
  }
  /** `bye` after an exit that was waited for. */
  async bye(): Promise<Ended> {
    this.send('bye');
    return this.end();
  }

  field(name: string): number {
    const found = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(
      readFileSync(`/proc/${this.pid}/status`, 'utf8'),
    );
    return Number(found?.[1]);
  }
  /** Descriptor → what it is. */
  fds(): Record<string, string> {
    const folder = `/proc/${this.pid}/fd`;
    return Object.fromEntries(readdirSync(folder).map((fd) => [fd, readlinkSync(join(folder, fd))]));
  }

  async dispose(): Promise<void> {
    for (const client of this.clients) client.socket.destroy();
    if (this.status === undefined) native.pidfdSend(this.pidfd, 9);
    await this.end();
    this.hangUp();
    if (this.container !== undefined) {
      native.pidfdSend(this.container.pidfd, 9);
      closeSync(this.container.pidfd);
      closeSync(this.container.sync);
    }
    closeSync(this.pidfd);
    for (const client of this.clients) if (!client.socket.closed) await once(client.socket, 'close');
    if (this.own) rmSync(this.base, { recursive: true, force: true });
  }

  private async read(): Promise<void> {
    const got = native.recv(this.control, 65536);
    if ('errno' in got) {
      if (got.errno === 11) await readable(this.control);
      else this.eof = true;
      return;
    }
    this.descriptors.push(...got.fds);
    if (got.bytes.length === 0) this.eof = true;
    this.waiting.push(...this.frames.take(got.bytes));
  }
}
