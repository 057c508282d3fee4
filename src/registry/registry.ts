/**
 * One registry, spoken to for one repository: finds how it is reached, says who we are, follows redirects, tries again.
 * Secrets and tokens lie in private fields, which nothing that draws or records a value can see.
 */
import { TsDockError } from '../engine/failure.ts';
import {
  HttpError,
  HttpPort,
  shownUrl,
  type HttpAnswer,
  type HttpRequest,
  type Trust,
} from '../kernel/http.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { credentialsFor, type Secret } from './credentials.ts';
import { mayBePlain } from './insecure.ts';
import type { ImageName } from './name.ts';
import { refusal, speaksNoTls, unanswered } from './refusals.ts';
import type { RegistrySettings } from './settings.ts';
import { fetchToken, type Token } from './tokens.ts';
import { trustFor } from './trust.ts';

const MOST_REDIRECTS = 10;
const USER_AGENT = 'ts-dock';
/** A connection that broke, or was not made in time. Nobody at home, or a wrong certificate, will not be better next time. */
const PASSING = [
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
];
const PASSING_STATUS = [408, 429, 500, 502, 503, 504];

export interface Asked {
  readonly method: HttpRequest['method'];
  /** Beneath `/v2/`, or a whole address that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Anew for every try. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  /** What is being done, for errors: `fetch the manifest of x`. */
  readonly what: string;
  /** Statuses that are answers; all others are refusals. */
  readonly accept: readonly number[];
  /** It may be sent twice. */
  readonly again?: boolean;
  readonly signal?: AbortSignal;
}

export interface Found {
  readonly url: string;
  /** Schemes of authentication that it asks for; empty: none. */
  readonly wants: readonly string[];
}

export class Registry {
  readonly name: ImageName;
  readonly settings: RegistrySettings;
  readonly #sys: Kernel;
  readonly #http: HttpPort;
  readonly #actions: string;
  readonly #trust = new Map<string, Trust>();
  readonly #tokens = new Map<string, Token>();
  #base: URL | undefined;
  #challenges: readonly Challenge[] = [];
  #secret: Secret | undefined;
  #secretKnown = false;

  /** @param actions - what is to be done there: `pull`, or `pull,push` */
  constructor(sys: Kernel, settings: RegistrySettings, name: ImageName, actions: 'pull' | 'pull,push') {
    this.#sys = sys;
    this.settings = settings;
    this.name = name;
    this.#actions = actions;
    this.#http = new HttpPort(sys, { connect: settings.connectTimeout, idle: settings.idleTimeout });
  }

  /** `https://host/`, once it is found. */
  get base(): URL {
    if (this.#base === undefined) throw new Error('the registry was not looked for');
    return this.#base;
  }

  close(): void {
    this.#http.close();
  }

  /** TLS, or in the clear where the user, or loopback, allows it and there is no TLS. Asks `/v2/`. */
  async find(signal?: AbortSignal): Promise<Found> {
    const { server: host } = this.name;
    const secure = new URL(`https://${host}/`);
    const plain = mayBePlain(secure.hostname, explicitPort(host), this.settings.insecure);
    if (!plain || (await this.#speaksTls(secure, signal))) {
      try {
        return await this.#ping(secure, signal);
      } catch (error) {
        // Behind a certificate that nobody vouches for may be anybody: that is no reason to do without one.
        throw error instanceof HttpError ? unanswered(`ask ${host}`, secure, error) : error;
      }
    }
    const clear = new URL(`http://${host}/`);
    try {
      return await this.#ping(clear, signal);
    } catch (error) {
      throw error instanceof HttpError ? unanswered(`ask ${host}`, clear, error) : error;
    }
  }

  /** Asked of those alone that may be spoken to in the clear. Nobody is believed for it, so no authorities are needed. */
  async #speaksTls(base: URL, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      const answer = await this.#http.exchange({
        method: 'GET',
        url: new URL('/v2/', base),
        headers: { 'user-agent': USER_AGENT },
        trust: { authorities: [], only: true },
        ...(signal === undefined ? {} : { signal }),
      });
      answer.drop();
      return true;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return !speaksNoTls(error) && error.code !== 'ECONNREFUSED' && error.code !== 'ECONNRESET';
    }
  }

  async #ping(base: URL, signal: AbortSignal | undefined): Promise<Found> {
    const url = new URL('/v2/', base);
    const what = `ask ${base.host}`;
    const answer = await this.#patiently(
      what,
      () => this.#follow({ method: 'GET', url, headers: {}, signal }, undefined),
      true,
      signal,
    );
    // A challenge of somebody that it sent us to is his, and what we would answer is meant for the registry.
    const refused = answer.status === 401 && answer.url.origin !== base.origin;
    if ((answer.status !== 200 && answer.status !== 401) || refused) {
      if (answer.status === 404) {
        answer.drop();
        throw new TsDockError('registry', `cannot ${what}: it is no registry`, {
          means: `${shownUrl(url)} is not there; a registry of today has it.`,
          remedy: 'Look at the name of the host.',
        });
      }
      throw await refusal(what, answer.url, answer);
    }
    this.#base = base;
    this.#learn(answer);
    answer.drop();
    return { url: base.href, wants: this.#challenges.map(({ scheme }) => scheme) };
  }

  #learn({ headers }: HttpAnswer): void {
    const told = headers['www-authenticate'];
    if (told !== undefined) this.#challenges = parseChallenges(told);
  }

  /** Says who we are, if it wants to know. In words: as whom, and how. */
  async authenticate(signal?: AbortSignal): Promise<string> {
    if (this.#challenges.length === 0) return 'Nobody asks who we are';
    await this.#authorization(signal);
    const as = this.#whoWeAre() === undefined ? 'nobody in particular' : 'the user of config.json';
    const how = this.#challenges.some(({ scheme }) => scheme === 'bearer') ? 'a token' : 'a password';
    return `Asked as ${as}, by ${how}`;
  }

  /** Looked up once, and only when somebody asks: a helper may be slow, or want a person. */
  #whoWeAre(): Secret | undefined {
    if (!this.#secretKnown) this.#secret = credentialsFor(this.#sys, this.settings, this.name.credentialKey);
    this.#secretKnown = true;
    return this.#secret;
  }

  async #authorization(signal?: AbortSignal): Promise<string | undefined> {
    const bearer = this.#challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      const secret = this.#whoWeAre();
      if (secret?.kind === 'bearer') return `Bearer ${secret.reveal().password}`;
      const scope = `repository:${this.name.path}:${this.#actions}`;
      const known = this.#tokens.get(scope);
      if (known !== undefined && known.until > Date.now()) return `Bearer ${known.value}`;
      const ask = (request: Omit<HttpRequest, 'trust'>): Promise<HttpAnswer> =>
        this.#patiently(
          `get a token for ${this.name.server}`,
          () =>
            this.#http.exchange({
              ...request,
              headers: { 'user-agent': USER_AGENT, ...request.headers },
              trust: this.#trusted(request.url),
              ...(signal === undefined ? {} : { signal }),
            }),
          true,
          signal,
        );
      const token = await fetchToken(ask, this.settings, this.base, bearer, scope, secret);
      this.#tokens.set(scope, token);
      return `Bearer ${token.value}`;
    }
    if (!this.#challenges.some(({ scheme }) => scheme === 'basic')) return undefined;
    const secret = this.#whoWeAre();
    return secret?.kind === 'password' ? secret.basic() : undefined;
  }

  /**
   * One question, with all that it takes to have it answered.
   *
   * @throws TsDockError `registry`, `unauthorized`, `no-such-image`
   */
  async ask(asked: Asked): Promise<HttpAnswer> {
    const { what, accept, signal } = asked;
    const url =
      typeof asked.path === 'string' ? new URL(`/v2/${this.name.path}/${asked.path}`, this.base) : asked.path;
    const again = asked.again ?? (asked.method === 'GET' || asked.method === 'HEAD');
    let renewed = false;
    try {
      for (;;) {
        const answer = await this.#patiently(
          what,
          async () => {
            const { method, headers = {}, body } = asked;
            const request = { method, url, headers, signal, ...(body === undefined ? {} : { body }) };
            return this.#follow(request, this.#ours(url) ? await this.#authorization(signal) : undefined);
          },
          again,
          signal,
        );
        if (accept.includes(answer.status)) return answer;
        // The token has run out, or this repository wants more than `/v2/` did.
        if (answer.status === 401 && !renewed && this.#ours(answer.url)) {
          renewed = true;
          this.#tokens.clear();
          this.#learn(answer);
          answer.drop();
          continue;
        }
        throw await refusal(what, answer.url, answer);
      }
    } catch (error) {
      throw error instanceof HttpError && error.code !== 'ABORTED' ? unanswered(what, url, error) : error;
    }
  }

  #ours(url: URL): boolean {
    return url.origin === this.base.origin;
  }

  /** Redirects by hand: where host, port or scheme change, what says who we are stays behind. */
  async #follow(
    request: Pick<Asked, 'body'> & {
      readonly method: HttpRequest['method'];
      readonly url: URL;
      readonly headers: Readonly<Record<string, string>>;
      readonly signal: AbortSignal | undefined;
    },
    authorization: string | undefined,
  ): Promise<HttpAnswer> {
    let { url } = request;
    let credentials = authorization;
    for (let hops = 0; ; hops += 1) {
      const answer = await this.#http.exchange({
        method: request.method,
        url,
        headers: {
          'user-agent': USER_AGENT,
          // Bytes as they are: their digest is known.
          'accept-encoding': 'identity',
          ...request.headers,
          ...(credentials === undefined ? {} : { authorization: credentials }),
        },
        trust: this.#trusted(url),
        ...(request.body === undefined ? {} : { body: request.body() }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      const { location } = answer.headers;
      const moved = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined;
      if (!moved || (request.method !== 'GET' && request.method !== 'HEAD')) return answer;
      answer.drop();
      if (hops >= MOST_REDIRECTS)
        throw new TsDockError(
          'registry',
          `cannot ask ${request.url.host}: it sends us on more than 10 times`,
        );
      const next = this.addressOf(location, url);
      if (next.origin !== url.origin) credentials = undefined;
      url = next;
    }
  }

  /** An address that a registry gave, if we may go there. */
  addressOf(location: string, from: URL): URL {
    const refuse = (why: string): TsDockError =>
      new TsDockError('registry', `cannot follow ${from.host}: ${why}`, {
        means: 'A registry may keep its data elsewhere, but it does not decide whom we trust.',
      });
    let next: URL;
    try {
      next = new URL(location, from);
    } catch {
      throw refuse('what it sends us to is no address');
    }
    if (next.username !== '' || next.password !== '')
      throw refuse('there is a password in the address that it gives');
    if (next.protocol === 'https:') return next;
    if (next.protocol !== 'http:') throw refuse(`it sends us to ${next.protocol}`);
    if (from.protocol === 'https:') throw refuse(`it sends us from TLS to ${next.host} in the clear`);
    if (!mayBePlain(next.hostname, next.port, this.settings.insecure))
      throw refuse(`it sends us to ${next.host} in the clear, which nobody has named`);
    return next;
  }

  #trusted(url: URL): Trust {
    const key = url.protocol === 'https:' ? url.host : '';
    const known = this.#trust.get(key);
    if (known !== undefined) return known;
    const trust = key === '' ? { authorities: [] } : trustFor(this.#sys, this.settings.certificates, key);
    this.#trust.set(key, trust);
    return trust;
  }

  /** Tries again what may be tried again, and waits as long as it is told to, within reason. */
  async #patiently(
    what: string,
    act: () => Promise<HttpAnswer>,
    again: boolean,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const { retries, backOff, patience } = this.settings;
    for (let tried = 0; ; tried += 1) {
      let wait = backOff * 2 ** Math.min(tried, 6);
      try {
        const answer = await act();
        if (!again || tried >= retries || !PASSING_STATUS.includes(answer.status)) return answer;
        const told = retryAfter(answer.headers['retry-after']);
        if (told !== undefined && told > patience) {
          answer.drop();
          throw new TsDockError(
            'registry',
            `cannot ${what}: the registry wants us to wait ${Math.ceil(told / 1000)} s (${answer.status})`,
            { remedy: 'Try again later; TS_DOCK_REGISTRY_PATIENCE_SECONDS says how long is too long.' },
          );
        }
        answer.drop();
        wait = told ?? wait;
      } catch (error) {
        if (!again || tried >= retries || !isPassing(error)) throw error;
      }
      await pause(wait, signal);
    }
  }
}

export function isPassing(error: unknown): boolean {
  return error instanceof HttpError && PASSING.includes(error.code);
}

/** Milliseconds; a date is meant from now on. */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** @throws HttpError `ABORTED` */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) throw new HttpError('ABORTED', 'it was broken off');
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(new HttpError('ABORTED', 'it was broken off'));
    };
    signal?.addEventListener('abort', stop, { once: true });
  });
}

function explicitPort(host: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? '';
}
