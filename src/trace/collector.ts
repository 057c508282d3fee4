/**
 * Which collector a trace is for, and what the exporter is told of it: from OpenTelemetry's standard variables, or from
 * `--otlp URL`, which is the more particular wish. The exporter gets these variables and those that it needs to reach a
 * server, and nothing else of the caller's environment.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Collector {
  /** The address without user name, password and query: it is written down and shown. */
  readonly name: string;
  /** The exporter's whole environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** `refused`: it is asked for, but cannot be used; a sentence. */
export type Wish = { readonly collector: Collector } | { readonly refused: string } | undefined;

const PATH = '/v1/traces';

/** What the exporter may know besides OTEL_*: how to reach a server, and whom to trust. */
const PASSED =
  /^(OTEL_\w+|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|PATH|HOME|TZ)$/;

/** These would make the SDK do something else than to send this trace. */
const OURS = ['OTEL_SDK_DISABLED', 'OTEL_LOG_LEVEL'];

export function collectorOf(env: Environment, option: string | undefined): Wish {
  const said = (name: string): string => env[name]?.trim() ?? '';
  if (option === undefined) {
    if (said('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined;
    const exporters = said('OTEL_TRACES_EXPORTER');
    if (exporters !== '' && !exporters.split(',').some((name) => name.trim() === 'otlp')) return undefined;
  }
  const source =
    option !== undefined
      ? '--otlp'
      : ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'].find(
          (name) => said(name) !== '',
        );
  if (source === undefined) return undefined;
  const text = option ?? said(source);
  const url = parsed(text);
  if (url === undefined) return { refused: `${source} is no address such as http://localhost:4318` };
  const protocol = said('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') || said('OTEL_EXPORTER_OTLP_PROTOCOL');
  if (option === undefined && protocol === 'grpc')
    return { refused: 'the collector is asked for by gRPC, and ts-dock speaks OTLP over HTTP (port 4318)' };
  // The variable for traces is taken as it stands, the general one and ours are a base.
  if (source !== 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT' && !url.pathname.endsWith(PATH))
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${PATH}`;
  return { collector: { name: nameOf(url), env: environmentFor(env, url) } };
}

function parsed(text: string): URL | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

function nameOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function environmentFor(env: Environment, url: URL): Record<string, string> {
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && PASSED.test(entry[0]) && !OURS.includes(entry[0]),
  );
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'];
  return {
    ...Object.fromEntries(passed),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url.href,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol?.trim() === 'http/json' ? 'http/json' : 'http/protobuf',
    OTEL_TRACES_EXPORTER: 'otlp',
    // Decided when the run began.
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
  };
}
