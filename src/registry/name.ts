/** What a user's name for an image means to a registry: whom to ask, and what is asked for. Pure. */
import { DEFAULT_HOST, DEFAULT_TAG, parseReference, type Reference } from '../daemon/reference.ts';

export interface ImageName extends Reference {
  /** With port: who is asked. The name that Docker shows, `docker.io`, has no registry behind it. */
  readonly server: string;
  /** A tag or a digest: what is asked for. */
  readonly wanted: string;
  /** What this registry is called in Docker's config.json. */
  readonly credentialKey: string;
  /** `docker.io/library/debian:latest`, `localhost:5000/x@sha256:…`. */
  readonly shown: string;
}

const HUB_SERVER = 'registry-1.docker.io';
const HUB_KEY = 'https://index.docker.io/v1/';

/** @throws TsDockError `bad-usage` */
export function imageName(text: string): ImageName {
  const reference = parseReference(text);
  const { host, path, digest } = reference;
  const tag = reference.tag === '' && digest === '' ? DEFAULT_TAG : reference.tag;
  const isHub = host === DEFAULT_HOST;
  return {
    ...reference,
    tag,
    server: isHub ? HUB_SERVER : host,
    wanted: digest === '' ? tag : digest,
    credentialKey: isHub ? HUB_KEY : host,
    shown: `${host}/${path}${digest === '' ? `:${tag}` : `@${digest}`}`,
  };
}
