/** OTLP in its JSON form (opentelemetry-proto, `ExportTraceServiceRequest`): ids in hexadecimal, 64-bit numbers as text. */
import type { Attributes, Span, Trace } from './model.ts';
import { byService, resourceOf, SCOPE } from './resource.ts';

const KIND_INTERNAL = 1;
const STATUS_ERROR = 2;

export function otlpJson(trace: Trace): object {
  return {
    resourceSpans: byService(trace).map(({ service, spans }) => ({
      resource: { attributes: keyValues(resourceOf(service, trace)) },
      scopeSpans: [
        { scope: { name: SCOPE, version: trace.version }, spans: spans.map((span) => spanOf(trace, span)) },
      ],
    })),
  };
}

function spanOf({ ids }: Trace, span: Span): object {
  return {
    traceId: ids.traceId,
    spanId: span.spanId,
    ...(span.parentId === '' ? {} : { parentSpanId: span.parentId }),
    name: span.name,
    kind: KIND_INTERNAL,
    startTimeUnixNano: span.start.toString(),
    endTimeUnixNano: span.end.toString(),
    attributes: keyValues(span.attributes),
    events: span.events.map(({ name, time, attributes }) => ({
      timeUnixNano: time.toString(),
      name,
      attributes: keyValues(attributes),
    })),
    status: span.error === undefined ? {} : { code: STATUS_ERROR, message: span.error },
    flags: flagsOf(ids.sampled, span),
  };
}

/** The W3C flags below; above them, that it is known whether the parent is another process's, and whether it is. */
export function flagsOf(sampled: boolean, { parentIsRemote }: Span): number {
  return (sampled ? 1 : 0) | 0x100 | (parentIsRemote ? 0x200 : 0);
}

function keyValues(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: value.toString() } : { doubleValue: value };
}
