/** What a user calls an image in a registry: host, repository there, and a tag or a digest. Pure. */
import { TsDockError } from '../engine/failure.ts';

export interface ImageName {
  /** `registry-1.docker.io`, `localhost:5000`: whom to ask. */
  readonly host: string;
  /** The repository as the registry knows it: `library/debian`. */
  readonly path: string;
  /** As Docker shows it and the TagStore has it: `debian`, `localhost:5000/x/y`. */
  readonly repository: string;
  /** Empty where there is a digest and no tag. */
  readonly tag: string;
  /** `sha256:<hex>`, or empty. */
  readonly digest: string;
  /** What stands in Docker's config.json for this registry. */
  readonly credentialKey: string;
}

const HUB = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';
const HUB_KEY = 'https://index.docker.io/v1/';

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** @throws TsDockError `bad-usage`: says which rule the name breaks. */
export function parseName(text: string): ImageName {
  const wrong = (why: string): TsDockError =>
    new TsDockError(
      'bad-usage',
      `expected NAME to be the name of an image, got ${JSON.stringify(text)}: ${why}`,
    );
  if (/^[a-z]+:\/\//.test(text)) throw wrong('leave the scheme away');
  const [before = '', digest = '', ...more] = text.split('@');
  if (more.length > 0) throw wrong('there is more than one @');
  if (text.includes('@') && !DIGEST.test(digest))
    throw wrong('a digest is sha256: and 64 hexadecimal digits');
  const colon = before.lastIndexOf(':');
  const hasTag = colon >= 0 && !before.includes('/', colon);
  const tag = hasTag ? before.slice(colon + 1) : '';
  if (hasTag && !TAG.test(tag))
    throw wrong('a tag has at most 128 letters, digits, `_`, `.` and `-`, and begins with a letter or digit');
  const name = hasTag ? before.slice(0, colon) : before;
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  // Docker's rule: a first part that could be a host is one.
  const hosted = /[.:]/.test(first) || first === 'localhost' || first.startsWith('[');
  const host = hosted ? first : HUB;
  const rest = hosted ? name.slice(slash + 1) : name;
  if (!HOST.test(host)) throw wrong(`${JSON.stringify(host)} is no host`);
  if (rest === '') throw wrong('the name is empty');
  if (rest.length > 255) throw wrong('it is longer than 255 characters');
  const bad = rest.split('/').find((part) => !COMPONENT.test(part));
  if (bad !== undefined)
    throw wrong(
      bad !== bad.toLowerCase()
        ? 'a repository has lower case letters only'
        : `${JSON.stringify(bad)} is not made of small letters and digits, joined by \`.\`, \`_\`, \`__\` or \`-\``,
    );
  const common = { tag: tag === '' && digest === '' ? 'latest' : tag, digest };
  if (host !== HUB && host !== 'index.docker.io')
    return { ...common, host, path: rest, repository: `${host}/${rest}`, credentialKey: host };
  const path = rest.includes('/') ? rest : `library/${rest}`;
  return {
    ...common,
    host: HUB_HOST,
    path,
    repository: path.startsWith('library/') ? path.slice('library/'.length) : path,
    credentialKey: HUB_KEY,
  };
}

/** `debian:latest`, `debian@sha256:…`: as Docker's last line has it. */
export function shownName({ host, repository, tag, digest }: ImageName): string {
  const full =
    host === HUB_HOST ? `${HUB}/${repository.includes('/') ? '' : 'library/'}${repository}` : repository;
  return digest === '' ? `${full}:${tag}` : `${full}@${digest}`;
}
