/**
 * The daemon's side of the sync pipe (native/PROTOCOL.md): a state machine that accepts only what may come now.
 *
 * dockerinit walks its steps in one known order; each is entered, permitted, left. A frame out of order, twice, unknown,
 * malformed or too big, a descriptor that nobody asked for, silence past the deadline, or an end without `ready` makes
 * the handshake fail for good, and the run that waits on it undoes itself. Docker 1.2.0 took silence for success.
 */
import type { NetworkState } from './model.ts';
import { TsDockError } from '../engine/failure.ts';
import type { Report, StepId } from '../engine/step.ts';
import type { Watch } from '../kernel/binding.ts';
import { now, type Call } from '../kernel/calls.ts';
import { errnoMeaning, errnoName } from '../kernel/errno.ts';
import { POLL } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** Longest frame, without its length prefix. */
export const FRAME_LIMIT = 65_536;

/** From a permission to its `leave`, or from the one permission to `ready`; milliseconds. */
export const DEADLINE_MS = 10_000;

export interface InitReport extends Report {
  readonly notes: Readonly<Record<string, unknown>>;
}

export interface HandshakeOptions {
  readonly sys: Kernel;
  /** Our end of the sync pipe; closed by {@link Handshake.close}. */
  readonly pipe: number;
  readonly pidfd: number;
  /** dockerinit's steps in order; the last one execs. */
  readonly steps: readonly StepId[];
  /** Each step needs a permission of its own. */
  readonly gated: boolean;
  readonly deadlineMs?: number;
  /** The container gets a terminal: one `console` frame with its master may come. */
  readonly console?: boolean;
  /** Told of each frame, sent or received, whatever is then made of it. */
  readonly onFrame?: (frame: SeenFrame) => void;
}

/** A frame as it passed: `at` when we sent or read it, `sent` when dockerinit says that it sent it (0: it does not say). */
export interface SeenFrame {
  readonly way: 'to-init' | 'from-init';
  readonly t: string;
  readonly step: string;
  readonly at: number;
  readonly sent: number;
}

type Frame = { readonly t: string } & Readonly<Record<string, unknown>>;

interface Waiter {
  readonly resolve: (report: InitReport) => void;
  readonly reject: (error: unknown) => void;
}

const JOIN_STEP: StepId = 'init.join-cgroups';
const CONSOLE_STEP: StepId = 'init.ptmx-console';

export class Handshake {
  private readonly options: HandshakeOptions;
  private readonly watches: Watch[] = [];
  private buffer: Buffer = Buffer.alloc(0);
  /** Steps that were left so far; the step at this index is the next to be entered, or is being walked. */
  private position = 0;
  private phase: 'between' | 'inside' | 'ready' | 'over' = 'between';
  /** Index of the last step that may be walked. */
  private permitted = -1;
  private joined = false;
  /** Descriptors that came and that no frame has claimed yet. */
  private descriptors: number[] = [];
  private master: number | undefined;
  private failure: TsDockError | undefined;
  private readonly reports = new Map<string, InitReport>();
  private readonly waiters = new Map<string, Waiter>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(options: HandshakeOptions) {
    this.options = options;
    const { sys, pipe, pidfd } = options;
    this.watches.push(
      sys.watch(pipe, POLL.IN, () => {
        this.drain();
      }),
      // A grandchild may hold the pipe open: the end of the process is an end as well.
      sys.watch(pidfd, POLL.IN, () => {
        this.drain();
        this.atEnd();
      }),
    );
  }

  /** Permits every step up to and including `through`. */
  permit(through: StepId): void {
    if (this.failure !== undefined) return;
    this.permitted = this.options.steps.indexOf(through);
    this.send({ t: 'go', through });
    this.startDeadline();
  }

  sendJoin(files: readonly string[]): void {
    this.send({ t: 'join', files });
  }

  sendNetworkState(state: NetworkState): void {
    this.send({ t: 'network-state', state });
  }

  /** What `step` reported when it was left. Gives the permission first where each step needs one. */
  left(step: StepId): Promise<InitReport> {
    if (this.options.gated && this.options.steps.indexOf(step) > this.permitted) this.permit(step);
    return this.await(`left ${step}`);
  }

  /** What was reported when nothing but execve was left. */
  ready(): Promise<InitReport> {
    const last = this.options.steps[this.options.steps.length - 1];
    if (last !== undefined && this.options.gated) this.permit(last);
    return this.await('ready');
  }

  /** Resolves at the end of file after `ready`. Whether a program runs now is for the caller to look at: silence proves nothing. */
  over(): Promise<InitReport> {
    return this.await('over');
  }

  /** The master of the container's terminal, once; the caller's from now on. */
  takeConsole(): number | undefined {
    const { master } = this;
    this.master = undefined;
    return master;
  }

  /** Ends the listening and closes the pipe, which ends a dockerinit that still waits. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.stopDeadline();
    for (const watch of this.watches) watch.stop();
    const master = this.takeConsole();
    if (master !== undefined) this.options.sys.close(master);
    this.options.sys.close(this.options.pipe);
  }

  // --- waiting ------------------------------------------------------------------------------------------------------

  private await(key: string): Promise<InitReport> {
    const report = this.reports.get(key);
    if (report !== undefined) return Promise.resolve(report);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => this.waiters.set(key, { resolve, reject }));
  }

  private reached(key: string, report: InitReport): void {
    this.reports.set(key, report);
    this.waiters.get(key)?.resolve(report);
    this.waiters.delete(key);
  }

  private fail(error: TsDockError): void {
    if (this.failure !== undefined || this.phase === 'over') return;
    this.failure = error;
    this.stopDeadline();
    for (const watch of this.watches) watch.stop();
    for (const waiter of this.waiters.values()) waiter.reject(error);
    this.waiters.clear();
  }

  private startDeadline(): void {
    this.stopDeadline();
    const ms = this.options.deadlineMs ?? DEADLINE_MS;
    this.timer = setTimeout(() => {
      this.fail(
        new TsDockError(
          'handshake',
          `dockerinit said nothing for ${(ms / 1000).toString()} s at ${this.current()}`,
          {
            means: 'The first process of the container hangs, or the machine is very busy.',
            remedy: 'TS_DOCK_HANDSHAKE_SECONDS sets how long ts-dock waits.',
          },
        ),
      );
    }, ms);
  }

  private stopDeadline(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private current(): string {
    return this.options.steps[this.position] ?? 'its end';
  }

  // --- reading ------------------------------------------------------------------------------------------------------

  private drain(): void {
    while (this.failure === undefined && this.phase !== 'over' && !this.closed) {
      let got;
      try {
        got = this.options.sys.recv(this.options.pipe, FRAME_LIMIT);
      } catch {
        // ECONNRESET: it ended with frames of ours unread. What it had said has been read before.
        this.atEnd();
        return;
      }
      if (got === undefined) return;
      this.descriptors.push(...got.fds);
      if (got.bytes.length === 0) this.atEnd();
      else this.take(got.bytes);
      // The kernel hands a descriptor out with the frame that it was sent with: what that frame did not claim nobody asked for.
      const unasked = this.descriptors.splice(0);
      for (const fd of unasked) this.options.sys.close(fd);
      if (unasked.length > 0) this.violation('a descriptor that nobody asked for');
    }
  }

  private take(bytes: Buffer): void {
    this.buffer = this.buffer.length === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
    while (this.failure === undefined && this.buffer.length >= 4) {
      const length = this.buffer.readUInt32BE(0);
      if (length > FRAME_LIMIT) {
        this.violation(`a frame of ${length.toString()} bytes`);
        return;
      }
      if (this.buffer.length < 4 + length) return;
      const frame = parseFrame(this.buffer.subarray(4, 4 + length));
      this.buffer = this.buffer.subarray(4 + length);
      if (frame === undefined) this.violation('a frame that is no JSON object');
      else this.accept(frame);
    }
  }

  private accept(frame: Frame): void {
    this.tell('from-init', frame.t, frame.step, frame.at);
    const at = this.options.steps[this.position];
    const last = this.position === this.options.steps.length - 1;
    switch (frame.t) {
      case 'enter':
        if (this.phase !== 'between' || frame.step !== at) this.outOfOrder(frame);
        else this.phase = 'inside';
        return;
      case 'leave':
        if (this.phase !== 'inside' || frame.step !== at || last || this.position > this.permitted)
          this.outOfOrder(frame);
        else if (at === undefined || (at === JOIN_STEP && !this.joined)) this.outOfOrder(frame);
        else this.leave(at, frame);
        return;
      case 'joined':
        if (this.phase !== 'inside' || at !== JOIN_STEP || this.joined) this.outOfOrder(frame);
        else this.joined = true;
        return;
      case 'console':
        if (this.mayBringConsole(at)) this.master = this.descriptors.shift();
        // With a descriptor, drain() has a better word for it.
        else if (this.descriptors.length === 0) this.outOfOrder(frame);
        return;
      case 'ready':
        if (this.phase !== 'inside' || !last || this.position > this.permitted) this.outOfOrder(frame);
        else this.makeReady(frame);
        return;
      case 'fail':
        if (at === undefined || frame.step !== at || (this.phase !== 'inside' && this.phase !== 'ready'))
          this.outOfOrder(frame);
        else this.fail(initFailure(at, frame));
        return;
      default:
        this.outOfOrder(frame);
    }
  }

  private mayBringConsole(at: StepId | undefined): boolean {
    const asked = this.options.console === true && at === CONSOLE_STEP;
    const now = this.phase === 'inside' && this.position <= this.permitted;
    return asked && now && this.master === undefined && this.descriptors.length > 0;
  }

  private leave(step: StepId, frame: Frame): void {
    this.phase = 'between';
    this.position += 1;
    if (this.options.gated) this.stopDeadline();
    this.reached(`left ${step}`, reportOf(frame));
  }

  private makeReady(frame: Frame): void {
    this.phase = 'ready';
    this.startDeadline();
    this.reached('ready', reportOf(frame));
  }

  private atEnd(): void {
    if (this.failure !== undefined || this.phase === 'over') return;
    if (this.phase !== 'ready') {
      this.fail(
        new TsDockError('init-died', `dockerinit ended without a word at ${this.current()}`, {
          means: 'The first process of the container was killed or crashed before the program could start.',
          remedy: 'Look at the kernel log (dmesg) for the out-of-memory killer, and at the memory limit.',
        }),
      );
      return;
    }
    if (this.buffer.length > 0) {
      this.violation('half a frame');
      return;
    }
    this.phase = 'over';
    this.stopDeadline();
    this.reached('over', { start: now(), end: now(), calls: [], more: 0, notes: {} });
  }

  private outOfOrder(frame: Frame): void {
    const step = typeof frame.step === 'string' ? ` for ${printable(frame.step).slice(0, 60)}` : '';
    this.violation(`\`${printable(frame.t).slice(0, 30)}\`${step}, which may not come now`);
  }

  private violation(what: string): void {
    this.fail(
      new TsDockError('handshake', `dockerinit sent ${what} (at ${this.current()})`, {
        means:
          'What answers on the sync pipe does not behave as dockerinit does, so nothing that it says is believed.',
        remedy: 'Rebuild ts-dock (`npm run build`); if it comes again, this is a bug.',
      }),
    );
  }

  private tell(way: SeenFrame['way'], t: string, step: unknown, sent: unknown): void {
    const short = (text: unknown): string => printable(text).slice(0, 60);
    this.options.onFrame?.({
      way,
      t: short(t),
      step: short(step),
      at: now(),
      sent: isNumber(sent) ? sent : 0,
    });
  }

  private send(frame: Frame): void {
    this.tell('to-init', frame.t, frame.through, 0);
    const body = Buffer.from(JSON.stringify(frame));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    try {
      this.options.sys.send(this.options.pipe, Buffer.concat([head, body]));
    } catch {
      // EPIPE: it is gone. Its last words, or its death, are read by drain().
    }
  }
}

function parseFrame(bytes: Buffer): Frame | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return typeof (value as Frame).t === 'string' ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

// eslint-disable-next-line no-control-regex -- these are the characters that must go
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Names of files come from the image: no control character of theirs may reach a terminal. */
function printable(text: unknown): string {
  if (typeof text !== 'string') return '';
  return text.replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function reportOf(frame: Frame): InitReport {
  const calls = Array.isArray(frame.calls) ? frame.calls.slice(0, 64).flatMap(callOf) : [];
  const end = isNumber(frame.at) ? frame.at : now();
  const notes =
    typeof frame.notes === 'object' && frame.notes !== null ? (frame.notes as Record<string, unknown>) : {};
  return {
    start: isNumber(frame.start) ? frame.start : end,
    end,
    calls,
    more: isNumber(frame.more) ? frame.more : 0,
    notes,
  };
}

function callOf(value: unknown): Call[] {
  if (typeof value !== 'object' || value === null) return [];
  const { c, a, r, e, at, ns } = value as Record<string, unknown>;
  const errno = isNumber(e) && e !== 0 ? errnoName(e) : '';
  return [
    {
      call: printable(c),
      args: Array.isArray(a) ? a.map(printable) : [],
      result: isNumber(r) ? r.toString() : printable(r),
      errno,
      at: isNumber(at) ? at : 0,
      ns: isNumber(ns) ? ns : 0,
    },
  ];
}

const SOURCES_OF_126 = [
  'EACCES',
  'ENOEXEC',
  'EISDIR',
  'EPERM',
  'ETXTBSY',
  'ELIBBAD',
  'E2BIG',
  'ENOTDIR',
  'ELOOP',
];

function initFailure(step: StepId, frame: Frame): TsDockError {
  const errno = isNumber(frame.errno) && frame.errno !== 0 ? errnoName(frame.errno) : '';
  const args = Array.isArray(frame.args) ? frame.args.map(printable).join(', ') : '';
  const call = printable(frame.call);
  const detail = printable(frame.detail);
  const refused =
    call === '' ? '' : `${call}(${args})${errno === '' ? '' : `: ${errno} (${errnoMeaning(errno)})`}`;
  const message = [detail, refused].filter((part) => part !== '').join(': ') || `${step} failed`;
  if (step !== 'init.exec') return new TsDockError('init-failed', message);
  if (errno === 'ENOENT') {
    return new TsDockError('not-found', message, {
      means: 'The image has no such program on its PATH, or the program lacks its interpreter.',
      remedy: 'Check the spelling, or look into the image with another command.',
    });
  }
  if (errno === '' || SOURCES_OF_126.includes(errno)) {
    return new TsDockError('not-executable', message, {
      means: 'The file is there, but the kernel does not run it.',
      remedy: 'Check its permission bits and its first bytes.',
    });
  }
  return new TsDockError('init-failed', message);
}
