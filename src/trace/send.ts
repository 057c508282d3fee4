/**
 * Sends a trace through OpenTelemetry's SDK. The exporter process alone imports this: to load the SDK takes longer than a
 * whole run.
 *
 * The SDK has one resource per provider, so each service is an SDK of its own; the variables say where both send to. Ids
 * and times are the journal's: nothing here draws or measures any.
 */
import { NodeSDK, api, resources } from '@opentelemetry/sdk-node';
import type { Service, Span, Trace } from './model.ts';
import { byService, resourceOf, SCOPE } from './resource.ts';

/** What went wrong, in words; empty: the collector took all of it. */
export async function send(trace: Trace): Promise<string> {
  const complaints: string[] = [];
  listen(complaints);
  for (const { service, spans } of byService(trace)) {
    const ids = new GivenIds(trace.ids.traceId);
    const sdk = new NodeSDK({
      autoDetectResources: false,
      resource: resources.resourceFromAttributes(resourceFor(service, trace)),
      idGenerator: ids,
      textMapPropagator: null,
    });
    sdk.start();
    const tracer = api.trace.getTracer(SCOPE, trace.version);
    for (const span of spans) put(tracer, ids, trace, span);
    try {
      await sdk.shutdown();
    } catch (error) {
      complaints.push(wordsOf(error));
    }
    // The next service's provider takes its place.
    api.trace.disable();
    api.context.disable();
    // The SDK has tried for seconds: what is down for the first is down for the second.
    if (complaints.length > 0) break;
  }
  return complaints.at(-1) ?? '';
}

/** OTEL_RESOURCE_ATTRIBUTES for both, OTEL_SERVICE_NAME for ts-dock: a second name for dockerinit would make one service of two. */
function resourceFor(service: Service, trace: Trace): Record<string, api.AttributeValue> {
  const ours = resourceOf(service, trace);
  const theirs: Record<string, api.AttributeValue> = {};
  const detected = resources.envDetector.detect().attributes ?? {};
  for (const [key, value] of Object.entries(detected))
    if (value !== undefined && !(value instanceof Promise)) theirs[key] = value;
  if (service !== 'ts-dock') delete theirs['service.name'];
  return { ...ours, ...theirs };
}

/** The ids of the span that is being started. */
class GivenIds {
  span = '';
  private readonly trace: string;

  constructor(trace: string) {
    this.trace = trace;
  }

  readonly generateTraceId = (): string => this.trace;
  readonly generateSpanId = (): string => this.span;
}

const hrTime = (time: bigint): [number, number] => [
  Number(time / 1_000_000_000n),
  Number(time % 1_000_000_000n),
];

function put(tracer: api.Tracer, ids: GivenIds, { ids: { traceId } }: Trace, span: Span): void {
  ids.span = span.spanId;
  const above =
    span.parentId === ''
      ? api.ROOT_CONTEXT
      : api.trace.setSpanContext(api.ROOT_CONTEXT, {
          traceId,
          spanId: span.parentId,
          traceFlags: api.TraceFlags.SAMPLED,
          isRemote: span.parentIsRemote,
        });
  const options = { startTime: hrTime(span.start), attributes: { ...span.attributes } };
  const made = tracer.startSpan(span.name, options, above);
  for (const { name, time, attributes } of span.events) made.addEvent(name, attributes, hrTime(time));
  if (span.error !== undefined) made.setStatus({ code: api.SpanStatusCode.ERROR, message: span.error });
  made.end(hrTime(span.end));
}

/** The SDK reports what it lost to its logger, and not always to whoever waits for it. */
function listen(complaints: string[]): void {
  const hear = (...words: readonly unknown[]): void => {
    complaints.push(words.map(wordsOf).join(' '));
  };
  const ignore = (): void => undefined;
  api.diag.setLogger(
    { error: hear, warn: hear, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

function wordsOf(value: unknown): string {
  const text = value instanceof Error ? value.message : typeof value === 'string' ? value : '';
  const json = /^\{.*\}$/s.test(text) ? (JSON.parse(text) as { message?: unknown }).message : undefined;
  return (typeof json === 'string' ? json : text).slice(0, 300);
}
