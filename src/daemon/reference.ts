/**
 * How a user names an image: `[host[:port]/]path[:tag][@sha256:hex]`, with today's rules and limits (distribution/reference,
 * regexp.go and normalize.go). Docker 1.2.0 cut at the last colon and checked little; what it accepted became a key of the
 * TagStore, and a path of the registry's.
 */
import { TsDockError } from '../engine/failure.ts';

export interface Reference {
  /** As the TagStore has it and Docker shows it: `debian`, `me/app`, `localhost:5000/x/y`. */
  readonly repository: string;
  /** Empty: none was given. */
  readonly tag: string;
  /** `sha256:<64 hex>`; empty: none was given. It wins over a tag. */
  readonly digest: string;
  /** The registry, with its port: {@link DEFAULT_HOST} where none was named. */
  readonly host: string;
  /** What the registry calls the repository: `library/debian`. */
  readonly path: string;
}

export const DEFAULT_TAG = 'latest';
export const DEFAULT_HOST = 'docker.io';
/** A name of this host as old clients wrote it. */
const OLD_HOST = 'index.docker.io';
/** The repositories of the default host that are called by their last word alone. */
const OFFICIAL = 'library/';

/** Of host and path together, in characters. */
const MOST_NAME = 255;
/** With a tag and a digest. */
const MOST_TEXT = MOST_NAME + 1 + 128 + 1 + 71;

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;

export const isDigest = (text: unknown): text is string => typeof text === 'string' && DIGEST.test(text);
export const isTag = (text: string): boolean => TAG.test(text);

/** @throws TsDockError `bad-usage`, with the rule that it breaks. */
export function parseReference(text: string): Reference {
  if (text.length > MOST_TEXT) throw refused(text, `a name has at most ${MOST_NAME} characters`);
  const at = text.indexOf('@');
  const digest = at < 0 ? '' : text.slice(at + 1);
  if (at >= 0 && !isDigest(digest)) throw refused(text, 'what stands behind @ must be sha256: and 64 digits');
  const front = at < 0 ? text : text.slice(0, at);
  // Behind the last colon is a tag, unless a path follows: then it was a registry's port.
  const colon = front.lastIndexOf(':');
  const tagged = colon >= 0 && !front.includes('/', colon);
  const tag = tagged ? front.slice(colon + 1) : '';
  if (tagged && !isTag(tag))
    throw refused(text, 'a tag has at most 128 letters, digits, _, . and -, and begins with none of . and -');
  return { ...nameOf(text, tagged ? front.slice(0, colon) : front), tag, digest };
}

function nameOf(text: string, name: string): Pick<Reference, 'repository' | 'host' | 'path'> {
  const { host, rest } = hostOf(name);
  if (!HOST.test(host)) throw refused(text, `${JSON.stringify(host)} is not a host`);
  const path = host === DEFAULT_HOST && !rest.includes('/') ? `${OFFICIAL}${rest}` : rest;
  if (path.toLowerCase() !== path) throw refused(text, 'a repository is written in lower case');
  if (!path.split('/').every((component) => COMPONENT.test(component)))
    throw refused(
      text,
      'a repository consists of letters and digits, between which ., _, __ or - may stand, in parts with / between',
    );
  if (host.length + 1 + path.length > MOST_NAME)
    throw refused(text, `a name has at most ${MOST_NAME} characters`);
  // It would stand in for an image's id.
  if (/^[0-9a-f]{64}$/.test(name)) throw refused(text, '64 hexadecimal digits are an id');
  const familiar = path.startsWith(OFFICIAL) && !path.includes('/', OFFICIAL.length);
  const short = familiar ? path.slice(OFFICIAL.length) : path;
  return { repository: host === DEFAULT_HOST ? short : `${host}/${path}`, host, path };
}

/** `me/app` is somebody's repository on the default host, `localhost/app` and `reg.test/app` are on hosts of their own. */
function hostOf(name: string): { readonly host: string; readonly rest: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  const isHost = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  if (slash < 0 || !isHost) return { host: DEFAULT_HOST, rest: name };
  return { host: first === OLD_HOST ? DEFAULT_HOST : first, rest: name.slice(slash + 1) };
}

function refused(text: string, rule: string): TsDockError {
  const shown = JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text);
  return new TsDockError('bad-usage', `cannot use ${shown} as the name of an image: ${rule}`, {
    remedy:
      'A name is [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST], e.g. debian:stable or localhost:5000/me/app.',
  });
}

/** A name as the TagStore has it: a repository, and a tag or a digest. */
export interface Name {
  readonly repository: string;
  readonly key: string;
}

/** What a reference means in the TagStore: its digest, its tag, or `latest`. */
export function nameIn({ repository, tag, digest }: Reference): Name {
  return { repository, key: digest !== '' ? digest : tag === '' ? DEFAULT_TAG : tag };
}

/** As Docker writes it: `debian:latest`, `debian@sha256:…`. */
export const nameText = ({ repository, key }: Name): string =>
  `${repository}${isDigest(key) ? '@' : ':'}${key}`;
