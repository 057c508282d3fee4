/**
 * Whether a run's trace is for the collector. Decided when its ids are drawn, before any SDK is loaded, by the rules of
 * OTEL_TRACES_SAMPLER: a caller's decision is followed unless a sampler without `parentbased_` says otherwise.
 */
type Environment = Readonly<Record<string, string | undefined>>;

/** @param parent - the sampled flag of the caller's TRACEPARENT; undefined without one */
export function isSampled(env: Environment, traceId: string, parent: boolean | undefined): boolean {
  const [, based, sampler] =
    /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(env['OTEL_TRACES_SAMPLER'] ?? '') ?? [];
  if (parent !== undefined && (based !== undefined || sampler === undefined)) return parent;
  if (sampler === 'always_off') return false;
  if (sampler !== 'traceidratio') return true;
  const share = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? '1');
  return !(share >= 0 && share < 1) || spread(traceId) < share * 0x1_0000_0000;
}

/** An even 32 bits of all 128, as OpenTelemetry's sampler for JavaScript has them, so that both decide alike. */
function spread(traceId: string): number {
  let bits = 0;
  for (let i = 0; i < 32; i += 8) bits = (bits ^ Number.parseInt(traceId.slice(i, i + 8), 16)) >>> 0;
  return bits;
}
