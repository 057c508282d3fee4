/** The words for what goes wrong with a registry: what could not be done, why, what it means, what to do. */
import { TsDockError, type Reason } from '../engine/failure.ts';
import { HttpError, shownUrl, type HttpAnswer } from '../kernel/http.ts';

const MOST_ANSWER = 64 * 1024;

/** @param what - `fetch the manifest of debian:latest` */
export function unanswered(what: string, url: URL, error: HttpError): TsDockError {
  const host = url.host;
  const word = (why: string, means = '', remedy = ''): TsDockError =>
    new TsDockError('registry', `cannot ${what}: ${why}`, { means, remedy, cause: error });
  if (error.code === 'ECONNREFUSED')
    return word(`nobody listens at ${host}`, '', 'Look at the name and the port.');
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN')
    return word(
      `the address of ${url.hostname} is not known (${error.code})`,
      '',
      'Look at the name, and at the network.',
    );
  if (speaksNoTls(error))
    return word(
      `${host} speaks no TLS`,
      'What comes in the clear can be changed by anybody on the way, so ts-dock does not fall back to it.',
      `If that is meant, name it: --insecure-registry ${host}.`,
    );
  if (isCertificate(error))
    return word(
      `the certificate of ${host} is not to be believed (${error.code})`,
      'Nobody whom this host trusts vouches for it, or it is for another name or time.',
      `Put the authority's certificate into /etc/docker/certs.d/${host}/ca.crt, or name it with NODE_EXTRA_CA_CERTS.`,
    );
  return word(`${host}: ${error.message} (${error.code})`);
}

export function speaksNoTls({ code, message }: HttpError): boolean {
  return (
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_HTTP_REQUEST', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'].includes(
      code,
    ) ||
    (code === 'EPROTO' && /wrong version number|http request|packet length too long/i.test(message))
  );
}

function isCertificate({ code }: HttpError): boolean {
  return /CERT|UNABLE_TO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE/.test(code);
}

/** An answer that is none: its status, and what it says of itself. Reads the body, or leaves it. */
export async function refusal(what: string, url: URL, answer: HttpAnswer): Promise<TsDockError> {
  const { status } = answer;
  const said = await saidBy(answer);
  const host = url.host;
  const tail = said === '' ? '' : `: ${said}`;
  const word = (reason: Reason, why: string, means = '', remedy = ''): TsDockError =>
    new TsDockError(reason, `cannot ${what}: ${why}${tail}`, { means, remedy });
  if (status === 401 || status === 403)
    return word(
      'unauthorized',
      `${host} does not let us (${status})`,
      'It wants another name and password, or there is nothing of this name: registries do not tell which.',
      'Look at the name; `docker login`, or `skopeo login --authfile ~/.docker/config.json`, writes them down.',
    );
  if (status === 404)
    return word('no-such-image', `${host} does not have it`, '', 'Look at the name and the tag.');
  if (status === 429)
    return word(
      'registry',
      `${host} has had too many requests (429)`,
      'Registries count how often somebody fetches.',
      'Wait a while; with credentials there is often more.',
    );
  return word('registry', `${host} answered ${status} to ${shownUrl(url)}`);
}

/** The message of the registry's own error document, short and without control characters. */
async function saidBy(answer: HttpAnswer): Promise<string> {
  try {
    const json = JSON.parse((await readAll(answer, MOST_ANSWER)).toString('utf8')) as unknown;
    const { errors } = json as { readonly errors?: unknown };
    const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
    const { message, code } = (first ?? {}) as { readonly message?: unknown; readonly code?: unknown };
    const text =
      typeof message === 'string' && message !== '' ? message : typeof code === 'string' ? code : '';
    return printable(text).slice(0, 200);
  } catch {
    return '';
  }
}

/** Nothing that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').trim();
}

/** A body of at most `most` bytes. @throws HttpError `TOO_LARGE`: the rest is not read. */
export async function readAll(answer: HttpAnswer, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const told = Number(answer.headers['content-length'] ?? 0);
  if (told > most) {
    answer.drop();
    throw new HttpError('TOO_LARGE', `the answer has ${told} bytes, and may have ${most}`);
  }
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > most) {
      answer.drop();
      throw new HttpError('TOO_LARGE', `the answer has more than ${most} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
