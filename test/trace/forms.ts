/**
 * The three forms of a trace, each read by code that has nothing of the exporter's: protobuf by the official .proto files
 * (an older release of the specification than the SDK's), OTLP JSON and Jaeger JSON by hand. All become the same plain
 * spans, so that they can be compared.
 */
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { expect } from 'vitest';

export interface PlainSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
  /** The status' words; undefined: no error. */
  readonly error: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { name: string; time: bigint; attributes: Readonly<Record<string, unknown>> }[];
}

// --- OTLP, protobuf and JSON ----------------------------------------------------------------------------------------

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly KeyValue[];
  readonly events?: readonly { timeUnixNano: string; name: string; attributes?: readonly KeyValue[] }[];
  readonly status?: { readonly code?: number | string; readonly message?: string };
}
export interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly scope: { name: string }; readonly spans: readonly OtlpSpan[] }[];
  }[];
}

const protos = join(
  import.meta.dirname,
  '../../node_modules/@opentelemetry/otlp-grpc-exporter-base/build/protos',
);

/** What a receiver got, as OTLP's JSON would say it. */
export function decode(body: Buffer): OtlpRequest {
  const root = new protobuf.Root();
  root.resolvePath = (_from, target) => join(protos, target);
  root.loadSync('opentelemetry/proto/collector/trace/v1/trace_service.proto');
  const type = root.lookupType('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest');
  const plain = type.toObject(type.decode(body), { longs: String, bytes: Array });
  return JSON.parse(JSON.stringify(plain), (key, value: unknown) =>
    /^(traceId|spanId|parentSpanId)$/.test(key) && Array.isArray(value)
      ? Buffer.from(value as number[]).toString('hex')
      : value,
  ) as OtlpRequest;
}

export function fromOtlp(...requests: readonly OtlpRequest[]): PlainSpan[] {
  return requests
    .flatMap(({ resourceSpans }) => resourceSpans)
    .flatMap(({ resource, scopeSpans }) => {
      const service = attributesOf(resource.attributes)['service.name'] as string;
      return scopeSpans.flatMap(({ spans }) => spans.map((span) => fromOtlpSpan(service, span)));
    })
    .sort(byId);
}

function fromOtlpSpan(service: string, span: OtlpSpan): PlainSpan {
  const failed = span.status?.code === 2;
  return {
    service,
    traceId: span.traceId,
    spanId: span.spanId,
    parentId: span.parentSpanId ?? '',
    name: span.name,
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    error: failed ? (span.status.message ?? '') : undefined,
    attributes: attributesOf(span.attributes),
    events: (span.events ?? []).map(({ name, timeUnixNano, attributes }) => ({
      name,
      time: BigInt(timeUnixNano),
      attributes: attributesOf(attributes),
    })),
  };
}

function attributesOf(list: readonly KeyValue[] = []): Record<string, unknown> {
  const entries = list.map(({ key, value }) => {
    expect(Object.keys(value)).toHaveLength(1);
    const [kind, content] = Object.entries(value)[0]!;
    return [key, kind === 'intValue' ? Number(content) : content] as const;
  });
  return Object.fromEntries(entries);
}

const byId = (a: PlainSpan, b: PlainSpan): number => (a.spanId < b.spanId ? -1 : 1);

// --- Jaeger JSON ----------------------------------------------------------------------------------------------------

type Json = Readonly<Record<string, unknown>>;
const TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  int64: 'number',
  float64: 'number',
};
/** What Jaeger has as tags and OpenTelemetry as fields of the span. */
const NOT_ATTRIBUTES = ['span.kind', 'otel.scope.name', 'otel.scope.version', 'error'];

/** Checks the structure that Jaeger's UI reads (`data[].spans`, `data[].processes`), and gives the spans. */
export function fromJaeger(text: string): PlainSpan[] {
  const { data } = JSON.parse(text) as { data: Json[] };
  expect(data).toHaveLength(1);
  const { traceID, spans, processes } = data[0] as { traceID: string; spans: Json[]; processes: Json };
  expect(traceID).toMatch(/^[0-9a-f]{32}$/);
  for (const process of Object.values(processes) as Json[]) {
    expect(process['serviceName']).toEqual(expect.stringMatching(/./));
    tagsOf(process['tags']);
  }
  return spans.map((span) => fromJaegerSpan(span, traceID, processes)).sort(byId);
}

function fromJaegerSpan(span: Json, traceID: string, processes: Json): PlainSpan {
  expect(span).toMatchObject({
    traceID,
    spanID: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
    operationName: expect.stringMatching(/./) as string,
    flags: expect.any(Number) as number,
    warnings: null,
  });
  const { startTime, duration } = span as { startTime: number; duration: number };
  // Microseconds since 1970, whole, and of this century: nanoseconds would put the run into the year 55000.
  expect(Number.isSafeInteger(startTime) && Number.isSafeInteger(duration) && duration >= 0).toBe(true);
  expect(new Date(startTime / 1000).getUTCFullYear()).toBeLessThan(2100);
  const references = span['references'] as Json[];
  expect(references.length).toBeLessThan(2);
  for (const reference of references) expect(reference).toMatchObject({ refType: 'CHILD_OF', traceID });
  const process = processes[span['processID'] as string] as Json | undefined;
  expect(process).toBeDefined();
  const tags = tagsOf(span['tags']);
  expect(tags['span.kind']).toBe('internal');
  expect(tags['error'] === true).toBe(tags['otel.status_code'] === 'ERROR');
  return {
    service: process!['serviceName'] as string,
    traceId: traceID,
    spanId: span['spanID'] as string,
    parentId: (references[0]?.['spanID'] as string | undefined) ?? '',
    name: span['operationName'] as string,
    start: BigInt(startTime) * 1000n,
    end: BigInt(startTime + duration) * 1000n,
    error: tags['error'] === true ? (tags['otel.status_description'] as string) : undefined,
    attributes: Object.fromEntries(
      Object.entries(tags).filter(([key]) => !NOT_ATTRIBUTES.includes(key) && !key.startsWith('otel.status')),
    ),
    events: (span['logs'] as Json[]).map((log) => {
      const { event, ...attributes } = tagsOf(log['fields']);
      expect(Number.isSafeInteger(log['timestamp'])).toBe(true);
      return { name: event as string, time: BigInt(log['timestamp'] as number) * 1000n, attributes };
    }),
  };
}

function tagsOf(list: unknown): Record<string, unknown> {
  const tags: Record<string, unknown> = {};
  for (const { key, type, value } of list as { key: string; type: string; value: unknown }[]) {
    expect(typeof value).toBe(TYPES[type]);
    if (type === 'int64') expect(Number.isInteger(value)).toBe(true);
    expect(tags).not.toHaveProperty([key]);
    tags[key] = value;
  }
  return tags;
}

// --- what every trace holds to --------------------------------------------------------------------------------------

/** Jaeger knows microseconds only. */
export function inMicroseconds(spans: readonly PlainSpan[]): PlainSpan[] {
  const cut = (time: bigint): bigint => (time / 1000n) * 1000n;
  return spans.map((span) => ({
    ...span,
    start: cut(span.start),
    end: cut(span.end),
    events: span.events.map((event) => ({ ...event, time: cut(event.time) })),
  }));
}

/** One trace, one root, every parent there, every child within its parent, every event within its span, two services. */
export function expectWhole(spans: readonly PlainSpan[], caller = ''): void {
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  const byIdOf = new Map(spans.map((span) => [span.spanId, span]));
  expect(byIdOf.size).toBe(spans.length);
  const roots = spans.filter(({ parentId }) => parentId === caller);
  expect(roots).toHaveLength(1);
  for (const span of spans) {
    expect(span.end >= span.start, span.name).toBe(true);
    for (const { time, name } of span.events)
      expect(time >= span.start && time <= span.end, `${name} in ${span.name}`).toBe(true);
    if (span === roots[0]) continue;
    const parent = byIdOf.get(span.parentId);
    expect(parent, `parent of ${span.name}`).toBeDefined();
    expect(span.start >= parent!.start && span.end <= parent!.end, `${span.name} in ${parent!.name}`).toBe(
      true,
    );
  }
}

/** The names of the steps, in the order of their numbers. */
export function stepsIn(spans: readonly PlainSpan[]): string[] {
  return spans
    .filter(({ attributes }) => 'tsdock.step.number' in attributes)
    .sort((a, b) => Number(a.attributes['tsdock.step.number']) - Number(b.attributes['tsdock.step.number']))
    .map(({ name }) => name);
}

/** Names of the spans from the root to this one. */
export function pathTo(spans: readonly PlainSpan[], name: string): string[] {
  const path: string[] = [];
  let at = spans.find((span) => span.name === name);
  while (at !== undefined) {
    path.unshift(at.name);
    const { parentId } = at;
    at = spans.find(({ spanId }) => spanId === parentId);
  }
  return path;
}
