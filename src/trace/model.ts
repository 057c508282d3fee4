/**
 * A journal as a trace: plain spans, from which every writer and the drawing are made. Pure; what it is given decides
 * every id, so that the collector and both files have the same ones, however often a run is exported.
 *
 *   docker run                     the root; its id was drawn before the run began
 *   ├─ host, create, start, exit   a span per stage, and in it one per step
 *   ├─ launch                      the daemon's side of the handshake
 *   │  └─ init                     dockerinit's side: a service of its own, with its own times
 *   ├─ container process           from exec to exit; its id is the one that the container found in TRACEPARENT
 *   └─ undo                        one span per compensation
 *
 * It holds no values of environment variables, no arguments of the program, and nothing that a plan drew.
 */
import { exitCodeOf } from '../daemon/exit-code.ts';
import { compensationText } from '../engine/compensation.ts';
import type { Entry, Story, TraceIds } from '../engine/journal.ts';
import { stageOf, type Stage, type StepId } from '../engine/step.ts';
import { sha256 } from '../kernel/hash.ts';
import { clockOf, type Clock } from './clock.ts';

export const SERVICES = ['ts-dock', 'dockerinit'] as const;
export type Service = (typeof SERVICES)[number];

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanEvent {
  readonly name: string;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly attributes: Attributes;
}

export interface Span {
  readonly service: Service;
  readonly name: string;
  readonly spanId: string;
  /** Empty for a root without a caller. */
  readonly parentId: string;
  /** The parent is another service's, or the caller's. */
  readonly parentIsRemote: boolean;
  readonly start: bigint;
  readonly end: bigint;
  /** What failed, in words; undefined: nothing. */
  readonly error: string | undefined;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
}

export interface Trace {
  readonly run: string;
  readonly command: string;
  readonly version: string;
  readonly ids: TraceIds;
  readonly container: string | undefined;
  readonly containerName: string | undefined;
  /** False while the run goes on, and for one that was killed and not yet recovered. */
  readonly over: boolean;
  readonly exitCode: number | undefined;
  /** The root first, parents before their children. */
  readonly spans: readonly Span[];
  /** Intervals in which the run stood still on purpose: at a prompt, or by a failpoint. */
  readonly pauses: readonly { readonly start: bigint; readonly end: bigint; readonly step: string }[];
}

/** A span that is being put together. */
interface Draft extends Span {
  start: bigint;
  end: bigint;
  error: string | undefined;
  attributes: Record<string, string | number | boolean>;
  events: SpanEvent[];
}

type Begin = Extract<Entry, { k: 'begin' }>;
type Of<K extends Entry['k']> = Extract<Entry, { k: K }>;

/** What is known of one step. */
interface StepFacts {
  readonly n: number;
  readonly step: StepId;
  planned: bigint;
  start: bigint | undefined;
  end: bigint | undefined;
  done: Of<'done'> | undefined;
  fail: Of<'fail'> | undefined;
}

/** Less than this between plan and act is the engine's own time. */
const PAUSE_NS = 2_000_000n;

/** Undefined where a journal has no first line: nothing was begun. */
export function traceOf(story: Story): Trace | undefined {
  const { begin } = story;
  return begin === undefined ? undefined : new Teller(story, begin).trace();
}

class Teller {
  private readonly story: Story;
  private readonly begin: Begin;
  private readonly clock: Clock;
  private readonly spans: Draft[] = [];
  private readonly steps: StepFacts[];
  private readonly entries: readonly Entry[];
  private readonly last: bigint;

  constructor(story: Story, begin: Begin) {
    this.story = story;
    this.begin = begin;
    // What was undone after the end (`rm`) is another command's doing.
    const end = story.entries.findIndex(({ k }) => k === 'end');
    this.entries = end < 0 ? story.entries : story.entries.slice(0, end + 1);
    this.clock = clockOf(begin, this.entries);
    this.steps = this.stepFacts();
    this.last = this.lastKnown(this.all('recovered')[0]);
  }

  trace(): Trace {
    const { story, begin } = this;
    const end = this.all('end')[0];
    const root = this.root(end);
    const launch = this.stages(root);
    this.handshake(launch);
    this.process(root);
    this.undo(root);
    this.blame(root, end);
    this.fit();
    return {
      run: begin.run,
      command: begin.command,
      version: begin.version,
      ids: begin.trace,
      container: story.container,
      containerName: nameOf(story),
      over: end !== undefined,
      exitCode: end?.code,
      spans: this.spans,
      pauses: this.pauses(),
    };
  }

  // --- the spans ----------------------------------------------------------------------------------------------------

  private root(end: Of<'end'> | undefined): Draft {
    const { begin, story } = this;
    const start = this.clock(begin, begin.at);
    const name = nameOf(story);
    const span = this.add({
      service: 'ts-dock',
      name: ['run', 'create', 'start', 'restart'].includes(begin.command)
        ? `docker ${begin.command}`
        : `ts-dock ${begin.command}`,
      spanId: begin.trace.spanId,
      parent: undefined,
      start,
      end: end === undefined ? this.last : this.clock(end, end.at),
      attributes: {
        'tsdock.run.id': begin.run,
        'tsdock.command': begin.command,
        'tsdock.version': begin.version,
        'tsdock.container.removed': begin.rm,
        'process.executable.name': 'ts-dock',
        'process.pid': begin.pid,
      },
    });
    if (end !== undefined) span.attributes['process.exit.code'] = end.code;
    if (story.container !== undefined) span.attributes['container.id'] = story.container;
    if (name !== undefined) span.attributes['container.name'] = name;
    return span;
  }

  /** A span per stage and step; the `launch` stage, if it was come to. */
  private stages(root: Draft): Draft | undefined {
    const made = new Map<Stage, Draft>();
    for (const facts of this.steps) {
      const stage = stageOf(facts.step);
      const { start, end } = this.times(facts);
      let parent = made.get(stage);
      if (parent === undefined) {
        const above = stage === 'init' ? (made.get('launch') ?? root) : root;
        const from = stage === 'init' ? start : facts.planned < start ? facts.planned : start;
        parent = this.add({
          service: stage === 'init' ? 'dockerinit' : 'ts-dock',
          name: stage,
          spanId: this.spanId(`stage ${stage}`, 0),
          parent: above,
          start: from,
          end,
          attributes: { 'tsdock.stage': stage },
        });
        made.set(stage, parent);
      }
      this.step(facts, parent);
    }
    return made.get('launch');
  }

  private step(facts: StepFacts, parent: Draft): void {
    const { n, step, done, fail } = facts;
    const { start, end } = this.times(facts);
    const span = this.add({
      service: parent.service,
      name: step,
      spanId: this.spanId(step, n),
      parent,
      start,
      end,
      attributes: { 'tsdock.step.id': step, 'tsdock.step.number': n },
    });
    if (done !== undefined) {
      span.attributes['tsdock.kernel.calls'] = done.calls;
      span.attributes['tsdock.kernel.time_ns'] = done.kernel;
    }
    if (fail !== undefined && fail.reason !== 'quit') this.fails(span, fail.reason, fail.message);
    else if (done === undefined && fail === undefined) {
      span.attributes['tsdock.step.unfinished'] = true;
      if (this.killed()) this.fails(span, 'killed', 'ts-dock was killed in this step');
    }
  }

  /** dockerinit's own clock where it has said something, else the daemon's. */
  private times({ step, planned, start, end, fail }: StepFacts): { start: bigint; end: bigint } {
    const from = start ?? planned;
    const to = end ?? (this.last > from ? this.last : from);
    if (fail === undefined || stageOf(step) !== 'init') return { start: from, end: to };
    const said = (t: string): bigint | undefined => {
      const frame = this.all('frame').find((f) => f.t === t && f.step === step && f.sent > 0);
      return frame && this.clock(frame, frame.sent);
    };
    const [entered, failed] = [said('enter'), said('fail')];
    return entered === undefined || failed === undefined || failed < entered
      ? { start: from, end: to }
      : { start: entered, end: failed };
  }

  /**
   * Each frame as an event on both sides. dockerinit says when it sent its own; when it read one of ours is not known to
   * the nanosecond, only that it was not before it had come.
   */
  private handshake(launch: Draft | undefined): void {
    const init = this.spans.find(({ service }) => service === 'dockerinit');
    for (const frame of this.all('frame')) {
      const at = this.clock(frame, frame.at);
      const attributes = {
        'tsdock.frame.type': frame.t,
        ...(frame.step === '' ? {} : { 'tsdock.step.id': frame.step }),
      };
      const name = `handshake ${frame.t}`;
      const ours = frame.way === 'to-init' ? 'sent' : 'received';
      const theirs = frame.way === 'to-init' ? 'received' : 'sent';
      launch?.events.push({ name, time: at, attributes: { ...attributes, 'tsdock.frame.direction': ours } });
      init?.events.push({
        name,
        time: frame.sent > 0 ? this.clock(frame, frame.sent) : at,
        attributes: {
          ...attributes,
          'tsdock.frame.direction': theirs,
          'tsdock.frame.clock': frame.sent > 0 ? 'dockerinit' : 'daemon',
        },
      });
    }
    for (const span of [launch, init]) span?.events.sort((a, b) => (a.time < b.time ? -1 : 1));
  }

  /** From the moment when nothing but execve was left to the end of the process. */
  private process(root: Draft): void {
    const exec = this.steps.find(({ step }) => step === 'init.exec');
    const ready = this.steps.find(({ step }) => step === 'launch.wait-ready');
    if (exec?.end === undefined || exec.done === undefined || ready?.done === undefined) return;
    const ended = this.all('process')[0];
    const { processSpanId } = this.begin.trace;
    const end = ended === undefined ? this.processGone() : this.clock(ended, ended.at);
    const span = this.add({
      service: 'ts-dock',
      name: 'container process',
      spanId: processSpanId,
      parent: root,
      start: exec.end,
      end: end > exec.end ? end : exec.end,
      attributes: {},
    });
    if (this.story.container !== undefined) span.attributes['container.id'] = this.story.container;
    if (ended === undefined) {
      if (this.all('end').length > 0) span.error = 'nobody saw how it ended';
      return;
    }
    const code = exitCodeOf(ended);
    span.attributes['process.pid'] = ended.pid;
    span.attributes['process.exit.code'] = code;
    span.attributes['tsdock.process.cpu_time_ns'] = ended.cpu;
    if (ended.peak > 0) span.attributes['tsdock.process.memory_peak_bytes'] = ended.peak;
    if (ended.how !== 'exited') span.attributes['tsdock.process.signal'] = ended.status;
    if (code === 0) return;
    span.attributes['error.type'] = code.toString();
    span.error =
      ended.how === 'exited' ? `exit code ${code.toString()}` : `killed by signal ${ended.status.toString()}`;
  }

  /** It was killed when its process or its cgroup was undone, if not before. */
  private processGone(): bigint {
    const undone = this.undone().find(({ kind }) => kind === 'kill-process' || kind === 'remove-cgroup');
    return undone?.end ?? this.last;
  }

  private undo(root: Draft): void {
    const undone = this.undone();
    const [first] = undone;
    if (first === undefined) return;
    const parent = this.add({
      service: 'ts-dock',
      name: 'undo',
      spanId: this.spanId('stage undo', 0),
      parent: root,
      start: first.start,
      end: first.end,
      attributes: { 'tsdock.stage': 'undo', 'tsdock.recovered': this.killed() },
    });
    const times = new Map<number, number>();
    for (const { i, kind, what, step, start, end, entry } of undone) {
      // What could not be undone is tried again by recovery: the same number, another span.
      const attempt = times.get(i) ?? 0;
      times.set(i, attempt + 1);
      const span = this.add({
        service: 'ts-dock',
        name: `undo ${kind}`,
        spanId: this.spanId(`undo ${i.toString()}`, attempt),
        parent,
        start,
        end,
        attributes: { 'tsdock.step.id': step, 'tsdock.undo.what': what },
      });
      if (!entry.ok) this.fails(span, 'undo-failed', entry.error);
    }
  }

  /** The stages and the root say what broke them, so that nobody has to look for it. */
  private blame(root: Draft, end: Of<'end'> | undefined): void {
    for (const span of this.spans)
      if (span.name.includes('.') && span.error !== undefined)
        for (let above = this.parentOf(span); above !== undefined; above = this.parentOf(above)) {
          above.error ??= `${span.name}: ${span.error}`;
          above.attributes['error.type'] ??= span.attributes['error.type'] ?? 'error';
        }
    if (root.error === undefined && this.killed()) {
      root.error = 'ts-dock was killed';
      root.attributes['error.type'] = 'killed';
    }
    if (root.error === undefined && end !== undefined && end.code !== 0) {
      root.error = `exit code ${end.code.toString()}`;
      root.attributes['error.type'] = end.code.toString();
    }
  }

  /** Children lie within their parents, and events within their span; dockerinit's clock is the same as ours, but not its luck. */
  private fit(): void {
    for (const span of [...this.spans].reverse()) {
      for (const { time } of span.events) widen(span, time, time);
      if (span.end < span.start) span.end = span.start;
      const parent = this.parentOf(span);
      if (parent !== undefined) widen(parent, span.start, span.end);
    }
  }

  // --- the facts ----------------------------------------------------------------------------------------------------

  private all<K extends Entry['k']>(k: K): Of<K>[] {
    return this.entries.filter((entry): entry is Of<K> => entry.k === k);
  }

  /** Somebody else had to undo what it had begun. */
  private killed(): boolean {
    return this.all('recovered').length > 0;
  }

  private stepFacts(): StepFacts[] {
    const found = new Map<number, StepFacts>();
    for (const entry of this.entries) {
      if (entry.k !== 'plan' && entry.k !== 'done' && entry.k !== 'fail') continue;
      const at = this.clock(entry, entry.at);
      const facts = found.get(entry.n) ?? {
        n: entry.n,
        step: entry.step,
        planned: at,
        start: undefined,
        end: undefined,
        done: undefined,
        fail: undefined,
      };
      found.set(entry.n, facts);
      if (entry.k === 'plan') continue;
      // The first outcome counts: a step that had acted, and then a failpoint after it.
      if (entry.k === 'done') Object.assign(facts, { done: entry });
      else facts.fail = entry;
      facts.start ??= at;
      facts.end = this.clock(entry, entry.end);
    }
    return [...found.values()];
  }

  private undone(): {
    i: number;
    kind: string;
    what: string;
    step: string;
    start: bigint;
    end: bigint;
    entry: Of<'undone'>;
  }[] {
    const planned = this.entries.flatMap((e) =>
      e.k === 'plan'
        ? e.undo.map((c) => ({ step: e.step, c }))
        : e.k === 'also'
          ? [{ step: e.step, c: e.undo }]
          : [],
    );
    return this.all('undone').flatMap((entry) => {
      const of = planned[entry.i];
      if (of === undefined) return [];
      return [
        {
          i: entry.i,
          kind: of.c.kind,
          what: compensationText(of.c),
          step: of.step,
          start: this.clock(entry, entry.at),
          end: this.clock(entry, entry.end),
          entry,
        },
      ];
    });
  }

  /** The last moment that the run itself wrote down. */
  private lastKnown(before: Entry | undefined): bigint {
    let last = this.clock(this.begin, this.begin.at);
    for (const entry of this.entries) {
      if (entry === before) break;
      for (const key of ['at', 'end'] as const) {
        const value = (entry as Readonly<Record<string, unknown>>)[key];
        if (typeof value !== 'number') continue;
        const time = this.clock(entry, value);
        if (time > last) last = time;
      }
    }
    return last;
  }

  private pauses(): Trace['pauses'] {
    return this.steps.flatMap(({ planned, start, step }) =>
      start !== undefined && stageOf(step) !== 'init' && start - planned > PAUSE_NS
        ? [{ start: planned, end: start, step }]
        : [],
    );
  }

  // --- making spans -------------------------------------------------------------------------------------------------

  private add(made: {
    service: Service;
    name: string;
    spanId: string;
    parent: Draft | undefined;
    start: bigint;
    end: bigint;
    attributes: Record<string, string | number | boolean>;
  }): Draft {
    const { parent, ...rest } = made;
    const { parent: caller } = this.begin.trace;
    const span: Draft = {
      ...rest,
      parentId: parent?.spanId ?? caller,
      parentIsRemote: parent === undefined ? caller !== '' : parent.service !== made.service,
      error: undefined,
      events: [],
    };
    this.spans.push(span);
    return span;
  }

  private fails(span: Draft, type: string, message: string): void {
    span.error = message;
    span.attributes['error.type'] = type;
    const attributes = { 'exception.type': type, 'exception.message': message };
    span.events.push({ name: 'exception', time: span.end, attributes });
  }

  private parentOf(span: Draft): Draft | undefined {
    return this.spans.find(({ spanId }) => spanId === span.parentId);
  }

  private spanId(name: string, number: number): string {
    const id = sha256()
      .update(`${this.begin.trace.traceId}/${this.begin.trace.spanId}/${name}/${number.toString()}`)
      .digest('hex')
      .slice(0, 16);
    return /^0+$/.test(id) ? 'f'.repeat(16) : id;
  }
}

function widen(span: Draft, start: bigint, end: bigint): void {
  if (start < span.start) span.start = start;
  if (end > span.end) span.end = end;
}

/** The name that was taken: drawn ones that were not free are not in the journal's undo list. */
function nameOf(story: Story): string | undefined {
  const names = story.entries.flatMap((e) =>
    (e.k === 'plan' ? e.undo : e.k === 'also' ? [e.undo] : []).flatMap((c) =>
      c.kind === 'release-name' ? [c.name] : [],
    ),
  );
  return names.at(-1);
}
