/** What stands above all spans of a service, and the name of the scope that made them. */
import { SERVICES, type Attributes, type Service, type Span, type Trace } from './model.ts';

export const SCOPE = 'ts-dock';

export function resourceOf(service: Service, { version }: Trace): Attributes {
  return { 'service.name': service, 'service.namespace': 'ts-dock', 'service.version': version };
}

/** The spans of each service that has any. */
export function byService(trace: Trace): readonly { readonly service: Service; readonly spans: Span[] }[] {
  return SERVICES.map((service) => ({
    service,
    spans: trace.spans.filter((span) => span.service === service),
  })).filter(({ spans }) => spans.length > 0);
}
