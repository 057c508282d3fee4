/**
 * The port to the network: one HTTP request and the beginning of its answer, recorded as `GET(https://host/path) = 200`.
 * No header and no query is ever recorded: both carry credentials. Redirects, retries and meaning are the caller's.
 *
 * TLS is verified always, whatever NODE_TLS_REJECT_UNAUTHORIZED says. Node's own modules are loaded at the first request:
 * a run that asks nobody must not wait for them.
 */
import * as fs from 'node:fs';
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { SecureContext } from 'node:tls';
import { now } from './calls.ts';
import type { Kernel } from './kernel.ts';

export interface HttpTimes {
  /** Milliseconds until a connection stands, TLS included. */
  readonly connect: number;
  /** Milliseconds without a byte in either direction. */
  readonly idle: number;
}

/** Whom to believe besides the host's own authorities, and who we are; PEM. */
export interface Trust {
  readonly authorities: readonly string[];
  readonly certificate?: string;
  readonly key?: string;
  /** The host's own authorities are left out: to read them takes a tenth of a second. */
  readonly only?: boolean;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Without user and password. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly trust: Trust;
  /** Breaks it off, also while the answer's body is being read. */
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  /** Who gave it. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Read to its end, or dropped. It fails with {@link HttpError} where it is cut. */
  readonly body: AsyncIterable<Buffer>;
  /** Whoever does not read the body says so: the connection is closed. */
  drop(): void;
}

/** No answer, or half of one. `code` as Node has it (`ECONNREFUSED`, `CERT_HAS_EXPIRED`, ...), or one of ours. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Where the authorities of the host lie, on the systems that there are. */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Connections to one host at once; more wait. */
const MOST_CONNECTIONS = 8;

export class HttpPort {
  readonly #sys: Kernel;
  readonly #times: HttpTimes;
  readonly #require = createRequire(import.meta.filename);
  #plain: Agent | undefined;
  readonly #secure = new Map<Trust, Agent>();

  constructor(sys: Kernel, times: HttpTimes) {
    this.#sys = sys;
    this.#times = times;
  }

  /** @throws HttpError where there is no answer. */
  async exchange(request: HttpRequest): Promise<HttpAnswer> {
    const at = now();
    const args = [shownUrl(request.url)];
    try {
      const answer = await this.#ask(request);
      this.#sys.note({
        call: request.method,
        args,
        result: answer.status.toString(),
        errno: '',
        at,
        ns: now() - at,
      });
      return answer;
    } catch (error) {
      const errno = error instanceof HttpError ? error.code : 'EIO';
      this.#sys.note({ call: request.method, args, result: '', errno, at, ns: now() - at });
      throw error;
    }
  }

  /** Ends the connections that are kept for the next request. */
  close(): void {
    this.#plain?.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
    this.#secure.clear();
    this.#plain = undefined;
  }

  #ask(request: HttpRequest): Promise<HttpAnswer> {
    const { method, url, headers, body, signal } = request;
    const common = { method, headers: { ...headers }, ...(signal === undefined ? {} : { signal }) };
    let asked: ClientRequest;
    if (url.protocol === 'https:') {
      const https = this.#require('node:https') as typeof import('node:https');
      asked = https.request(url, {
        ...common,
        agent: this.#secureAgent(request.trust),
        rejectUnauthorized: true,
      });
    } else {
      const http = this.#require('node:http') as typeof import('node:http');
      this.#plain ??= new http.Agent({ keepAlive: true, maxSockets: MOST_CONNECTIONS });
      asked = http.request(url, { ...common, agent: this.#plain });
    }
    return this.#answerTo(asked, url, body);
  }

  #secureAgent(trust: Trust): Agent {
    const known = this.#secure.get(trust);
    if (known !== undefined) return known;
    const https = this.#require('node:https') as typeof import('node:https');
    const tls = this.#require('node:tls') as typeof import('node:tls');
    let context: SecureContext;
    try {
      context = tls.createSecureContext({
        ca: [...(trust.only === true ? [] : hostAuthorities(tls.rootCertificates)), ...trust.authorities],
        minVersion: 'TLSv1.2',
        ...(trust.certificate === undefined ? {} : { cert: trust.certificate }),
        ...(trust.key === undefined ? {} : { key: trust.key }),
      });
    } catch (cause) {
      throw new HttpError('BAD_CERTIFICATE', `a certificate or key cannot be read: ${textOf(cause)}`, cause);
    }
    const agent = new https.Agent({
      keepAlive: true,
      maxSockets: MOST_CONNECTIONS,
      secureContext: context,
      rejectUnauthorized: true,
    });
    this.#secure.set(trust, agent);
    return agent;
  }

  #answerTo(asked: ClientRequest, url: URL, body: HttpRequest['body']): Promise<HttpAnswer> {
    const { connect, idle } = this.#times;
    return new Promise((resolve, reject) => {
      let response: IncomingMessage | undefined;
      asked.once('socket', (socket) => {
        if (!socket.connecting) return;
        const late = setTimeout(() => {
          asked.destroy(new HttpError('ETIMEDOUT', `no connection within ${connect / 1000} s`));
        }, connect);
        const secure = (socket as { encrypted?: boolean }).encrypted === true;
        socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(late));
        socket.once('close', () => clearTimeout(late));
      });
      asked.setTimeout(idle, () => {
        // What lies here unread is waited for by us, not by them.
        if (response !== undefined && response.readableLength > 0) return;
        asked.destroy(new HttpError('ETIMEDOUT', `nothing was heard for ${idle / 1000} s`));
      });
      asked.once('response', (message) => {
        response = message;
        resolve({
          url,
          status: message.statusCode ?? 0,
          headers: message.headers,
          body: bodyOf(message),
          drop: () => {
            message.on('error', () => undefined);
            message.destroy();
          },
        });
      });
      asked.on('error', (error) => reject(httpError(error)));
      send(asked, body).catch((error: unknown) => asked.destroy(asError(error)));
    });
  }
}

async function send(asked: ClientRequest, body: HttpRequest['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    asked.end(body);
    return;
  }
  for await (const bytes of body) {
    if (asked.destroyed) return;
    if (asked.write(bytes)) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        asked.off('drain', go);
        asked.off('close', go);
        resolve();
      };
      asked.on('drain', go);
      asked.on('close', go);
    });
  }
  asked.end();
}

async function* bodyOf(message: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const bytes of message) yield bytes as Buffer;
  } catch (error) {
    throw httpError(error);
  }
  // Node ends a body whose connection broke without a word where its length was not told.
  if (!message.complete) throw new HttpError('ECONNRESET', 'the answer was cut');
}

function httpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const { code = '', name } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return new HttpError('ABORTED', 'it was broken off', error);
  // One name that leads to several addresses, and none answered.
  if (error instanceof AggregateError && error.errors.length > 0) return httpError(error.errors[0]);
  return new HttpError(code === '' ? 'EIO' : code, textOf(error), error);
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What Docker believes, too: the host's own bundle, where there is one, and NODE_EXTRA_CA_CERTS. */
function hostAuthorities(builtIn: readonly string[]): string[] {
  const bundle = [process.env['SSL_CERT_FILE'] ?? '', ...BUNDLES]
    .map(readIfThere)
    .find((text) => text !== '');
  const extra = readIfThere(process.env['NODE_EXTRA_CA_CERTS'] ?? '');
  return [...(bundle === undefined ? builtIn : [bundle]), ...(extra === '' ? [] : [extra])];
}

function readIfThere(path: string): string {
  try {
    return path === '' ? '' : fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** As it may be recorded and shown: a query may be a signature, and as good as a password. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}
