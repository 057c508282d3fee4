/**
 * The JSON that Jaeger's UI opens as a file, without any backend: the answer of its query API. Times are microseconds, cut
 * rather than rounded, so that a child still lies within its parent.
 */
import type { Attributes, Service, Span, Trace } from './model.ts';
import { byService, resourceOf, SCOPE } from './resource.ts';

interface Tag {
  readonly key: string;
  readonly type: 'string' | 'int64' | 'float64' | 'bool';
  readonly value: string | number | boolean;
}

export function jaegerJson(trace: Trace): object {
  const services = byService(trace).map(({ service }, index) => ({
    service,
    id: `p${(index + 1).toString()}`,
  }));
  const processOf = (service: Service): string => services.find((one) => one.service === service)?.id ?? '';
  return {
    data: [
      {
        traceID: trace.ids.traceId,
        spans: trace.spans.map((span) => spanOf(trace, span, processOf(span.service))),
        processes: Object.fromEntries(
          services.map(({ service, id }) => {
            const { 'service.name': serviceName, ...rest } = resourceOf(service, trace);
            return [id, { serviceName, tags: tagsOf(rest) }];
          }),
        ),
        warnings: null,
      },
    ],
    total: 1,
    limit: 0,
    offset: 0,
    errors: null,
  };
}

const micros = (time: bigint): number => Number(time / 1000n);

function spanOf({ ids, version }: Trace, span: Span, processID: string): object {
  const { traceId: traceID, sampled } = ids;
  const [startTime, end] = [micros(span.start), micros(span.end)];
  return {
    traceID,
    spanID: span.spanId,
    flags: sampled ? 1 : 0,
    operationName: span.name,
    references: span.parentId === '' ? [] : [{ refType: 'CHILD_OF', traceID, spanID: span.parentId }],
    startTime,
    duration: end - startTime,
    tags: tagsOf({
      ...span.attributes,
      'span.kind': 'internal',
      'otel.scope.name': SCOPE,
      'otel.scope.version': version,
      ...(span.error === undefined
        ? {}
        : { error: true, 'otel.status_code': 'ERROR', 'otel.status_description': span.error }),
    }),
    logs: span.events.map(({ name, time, attributes }) => ({
      timestamp: micros(time),
      fields: tagsOf({ event: name, ...attributes }),
    })),
    processID,
    warnings: null,
  };
}

function tagsOf(attributes: Attributes): Tag[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, type: typeOf(value), value }));
}

function typeOf(value: string | number | boolean): Tag['type'] {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  return Number.isInteger(value) ? 'int64' : 'float64';
}
