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
        return until(sent('join'), 'waiting for the daemon to make the cgroups');
      case 'init.read-network-state':
        return until(sent('network-state'), 'waiting for the daemon to make the network');
      case 'launch.wait-ready':
        return [{ ...whole, why: 'waiting for execve to close the sync pipe' }];
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

function between(trace: Trace, steps: readonly Span[]): Wait[] {
  const root = trace.spans[0];
  if (root === undefined) return [];
  const gaps = (service: Service, from: bigint | undefined): Wait[] => {
    const lane = steps.filter((span) => span.service === service);
    let last = from ?? lane[0]?.end;
    return lane.flatMap((span, i) => {
      const start = last ?? span.start;
      last = last === undefined || span.end > last ? span.end : last;
      if (span.start <= start) return [];
      const gap = { service, stage: stageOf(span), start, end: span.start };
      return [{ ...gap, why: whyNot(trace, steps, gap, i === 0) }];
    });
  };
  return [...gaps('ts-dock', root.start), ...gaps('dockerinit', undefined)];
}

function whyNot(
  trace: Trace,
  steps: readonly Span[],
  gap: { readonly service: Service; readonly start: bigint; readonly end: bigint },
  first: boolean,
): string {
  const overlaps = (one: { start: bigint; end: bigint }): boolean =>
    one.start < gap.end && one.end > gap.start;
  const pause = trace.pauses.find(overlaps);
  if (pause !== undefined) return `stood still before ${pause.step}: a prompt, or a failpoint`;
  if (first) return 'ts-dock got ready';
  const others = steps.filter((span) => span.service !== gap.service && overlaps(span));
  if (gap.service === 'dockerinit')
    return others.length === 0
      ? 'dockerinit between two steps'
      : `dockerinit told of its step and waited for the daemon (${others[0]?.name ?? ''})`;
  const begun = steps.some(({ service, start }) => service === 'dockerinit' && start <= gap.start);
  const launching = steps.some(({ name, end }) => name === 'launch.clone' && end <= gap.start);
  if (launching && !begun) return 'waiting for dockerinit to start';
  const names = others.map(({ name }) => name);
  if (names.length > 0)
    return `dockerinit was at work (${names[0] ?? ''}${names.length > 1 ? ` and ${(names.length - 1).toString()} more` : ''})`;
  return 'ts-dock between two steps';
}
