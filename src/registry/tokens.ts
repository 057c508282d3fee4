/**
 * Bearer tokens (the distribution project's token authentication): a registry names a realm, the realm gives a token for a
 * scope. The realm is the registry's word, so it is not believed blindly: our credentials go there over TLS only, or to
 * this machine, or to the registry itself.
 */
import { TsDockError } from '../engine/failure.ts';
import type { HttpAnswer, HttpRequest } from '../kernel/http.ts';
import { HttpError } from '../kernel/http.ts';
import type { Challenge } from './challenge.ts';
import type { Secret } from './credentials.ts';
import { isLoopback, mayBePlain } from './insecure.ts';
import { readAll, refusal, unanswered } from './refusals.ts';
import type { RegistrySettings } from './settings.ts';

export interface Token {
  readonly value: string;
  /** Milliseconds since 1970 until which it is used. */
  readonly until: number;
}

type Ask = (request: Omit<HttpRequest, 'trust'>) => Promise<HttpAnswer>;

const MOST_TOKEN = 256 * 1024;
/** The protocol's: what says nothing holds a minute. */
const USUAL_SECONDS = 60;

/** @param ask - sends one request, with retries; follows no redirect. */
export async function fetchToken(
  ask: Ask,
  settings: RegistrySettings,
  registry: URL,
  challenge: Challenge,
  scope: string,
  secret: Secret | undefined,
): Promise<Token> {
  const what = `get a token for ${registry.host}`;
  const realm = realmOf(what, settings, registry, challenge.parameters.get('realm') ?? '');
  const trusted = secret !== undefined && mayHaveCredentials(realm, registry) ? secret : undefined;
  if (secret !== undefined && trusted === undefined)
    throw new TsDockError(
      'unauthorized',
      `cannot ${what}: ${realm.host} would get the password in the clear`,
      {
        means: 'The registry sends us to another host to log in, and that host is asked without TLS.',
        remedy: 'Remove the credentials to ask without them, or give that host TLS.',
      },
    );
  const service = challenge.parameters.get('service') ?? '';
  const url = new URL(realm);
  let request: Omit<HttpRequest, 'trust'>;
  if (trusted?.kind === 'identity') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: 'ts-dock',
      scope,
      refresh_token: trusted.reveal().password,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    request = { method: 'POST', url, headers, body: Buffer.from(form.toString()) };
  } else {
    if (service !== '') url.searchParams.set('service', service);
    url.searchParams.set('scope', scope);
    const headers = trusted === undefined ? {} : { authorization: trusted.basic() };
    request = { method: 'GET', url, headers };
  }
  let answer: HttpAnswer;
  try {
    answer = await ask(request);
    if (answer.status !== 200) throw await refusal(what, realm, answer);
    return parseToken(what, realm, await readAll(answer, MOST_TOKEN));
  } catch (error) {
    if (error instanceof HttpError) throw unanswered(what, realm, error);
    throw error;
  }
}

function realmOf(what: string, settings: RegistrySettings, registry: URL, text: string): URL {
  const wrong = (why: string): TsDockError =>
    new TsDockError('registry', `cannot ${what}: ${why}`, {
      means: 'The registry says who gives tokens for it, and that is where we would have to ask.',
    });
  let realm: URL;
  try {
    realm = new URL(text);
  } catch {
    throw wrong('it does not say where');
  }
  if (realm.username !== '' || realm.password !== '')
    throw wrong('there is a password in the address that it gives');
  if (realm.protocol === 'https:') return realm;
  // From TLS there is no way down, and nobody sends us to a server in the clear that was not named.
  if (
    realm.protocol !== 'http:' ||
    registry.protocol === 'https:' ||
    !mayBePlain(realm.hostname, realm.port, settings.insecure)
  )
    throw wrong(`it sends us to ${realm.protocol}//${realm.host}, in the clear`);
  return realm;
}

function mayHaveCredentials(realm: URL, registry: URL): boolean {
  return realm.protocol === 'https:' || isLoopback(realm.hostname) || realm.host === registry.host;
}

function parseToken(what: string, realm: URL, body: Buffer): Token {
  const wrong = (): TsDockError =>
    new TsDockError('registry', `cannot ${what}: ${realm.host} answered without a token`);
  let json: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown };
  try {
    json = JSON.parse(body.toString('utf8')) as typeof json;
  } catch {
    throw wrong();
  }
  if (typeof json !== 'object' || (json as unknown) === null) throw wrong();
  const value = typeof json.token === 'string' && json.token !== '' ? json.token : json.access_token;
  // It becomes a header.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw wrong();
  const told = json.expires_in;
  const seconds = typeof told === 'number' && told > 0 && told < 1e9 ? told : USUAL_SECONDS;
  // Used up a little early: it has a way to go yet.
  return { value, until: Date.now() + seconds * 900 };
}
