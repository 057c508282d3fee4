/**
 * Why nothing seems to happen: waiting within a step, and the gaps between steps, in words. Pure. A gap is explained by
 * what the other side did meanwhile; what is shorter than `least` is nobody's question.
 */
import type { Service, Span, SpanEvent, Trace } from './model.ts';

export interface Wait {
  readonly service: Service;
  /** Stage of the step that it stands in, or before. */
  readonly stage: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly why: string;
}

const isStep = ({ attributes }: Span): boolean => 'tsdock.step.number' in attributes;
const stageOf = ({ name }: Span): string => name.slice(0, name.indexOf('.'));
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export function waitsOf(trace: Trace, least = 250_000n): readonly Wait[] {
  const steps = trace.spans.filter(isStep);
  const found = [...within(trace, steps), ...between(trace, steps)];
  return found
    .filter(({ start, end }) => end - start >= least)
    .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

// --- within a step --------------------------------------------------------------------------------------------------

function within(trace: Trace, steps: readonly Span[]): Wait[] {
  const sent = (type: string): bigint | undefined => handshake(trace).find((e) => isFrame(e, type))?.time;
  return steps.flatMap((span) => {
    const whole = { service: span.service, stage: stageOf(span), start: span.start, end: span.end };
    const until = (time: bigint | undefined, why: string): Wait[] =>
      time === undefined || time <= span.start ? [] : [{ ...whole, end: min(time, span.end), why }];
    switch (span.name) {
      case 'init.join-cgroups':
        return until(sent('join'), 'waiting for the cgroups');
      case 'init.read-network-state':
        return until(sent('network-state'), 'waiting for the network');
      case 'launch.wait-ready':
        return [{ ...whole, why: 'waiting for execve' }];
      case 'exit.wait':
        return [{ ...whole, why: 'the program ran' }];
      default:
        return [];
    }
  });
}

/** The daemon's side. */
function handshake({ spans }: Trace): readonly SpanEvent[] {
  return spans.find(({ name }) => name === 'launch')?.events ?? [];
}

const isFrame = ({ attributes }: SpanEvent, type: string): boolean =>
  attributes['tsdock.frame.type'] === type;

// --- between steps --------------------------------------------------------------------------------------------------

interface Gap {
  readonly service: Service;
  readonly stage: string;
  readonly start: bigint;
  readonly end: bigint;
}

function between(trace: Trace, steps: readonly Span[]): Wait[] {
  const root = trace.spans[0];
  if (root === undefined) return [];
  const first = gapsOf('ts-dock', steps, root.start);
  const started = steps.find(({ service }) => service === 'dockerinit')?.start;
  return [
    ...first.flatMap((gap) => cutAt(gap, started)).map((gap) => ours(trace, steps, gap)),
    ...gapsOf('dockerinit', steps, undefined).map((gap) => theirs(trace, gap)),
  ];
}

function gapsOf(service: Service, steps: readonly Span[], from: bigint | undefined): Gap[] {
  const lane = steps.filter((span) => span.service === service);
  let last = from ?? lane[0]?.end ?? 0n;
  return lane.flatMap((span) => {
    const gap = { service, stage: stageOf(span), start: last, end: span.start };
    if (span.end > last) last = span.end;
    return gap.end > gap.start ? [gap] : [];
  });
}

/** Before dockerinit's first step it is starting, after it it is at work: two reasons. */
function cutAt(gap: Gap, time: bigint | undefined): Gap[] {
  if (time === undefined || time <= gap.start || time >= gap.end) return [gap];
  return [
    { ...gap, end: time },
    { ...gap, start: time },
  ];
}

function ours(trace: Trace, steps: readonly Span[], gap: Gap): Wait {
  const overlaps = (one: { start: bigint; end: bigint }): boolean =>
    one.start < gap.end && one.end > gap.start;
  if (trace.pauses.some(overlaps)) return { ...gap, why: 'stood still: prompt or failpoint' };
  if (gap.start === trace.spans[0]?.start) return { ...gap, why: 'ts-dock got ready' };
  const work = steps.filter((span) => span.service === 'dockerinit' && overlaps(span)).length;
  if (work > 0) return { ...gap, why: `dockerinit at work: ${work.toString()} step${work === 1 ? '' : 's'}` };
  const cloned = steps.some(({ name, end }) => name === 'launch.clone' && end <= gap.start);
  const begun = steps.some(({ service, start }) => service === 'dockerinit' && start < gap.end);
  return { ...gap, why: cloned && !begun ? 'waiting for dockerinit to start' : 'between two steps' };
}

/** Where each step needs a permission of its own, dockerinit stands still until it has it. */
function theirs(trace: Trace, gap: Gap): Wait {
  const permissions = handshake(trace).filter((event) => isFrame(event, 'go')).length;
  return { ...gap, why: permissions > 1 ? 'waiting for a permission' : 'between two steps' };
}
