/** For which machines an image was made: `linux/amd64`, `linux/arm/v7`. */
import { TsDockError } from '../engine/failure.ts';
import type { At } from './json.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Empty: none was said. */
  readonly variant: string;
}

/** The words of Node for processors, in those of Go, as images say them. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
};

export const OWN_PLATFORM: Platform = {
  os: 'linux',
  architecture: ARCHITECTURES[process.arch] ?? process.arch,
  variant: '',
};

/** @throws TsDockError `bad-usage` */
export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant = '', ...more] = text.split('/');
  const good = [os, architecture].every((word) => /^[a-z0-9_]+$/.test(word)) && /^[a-z0-9_.]*$/.test(variant);
  if (!good || more.length > 0)
    throw new TsDockError(
      'bad-usage',
      `expected --platform to be OS/ARCHITECTURE[/VARIANT], got ${JSON.stringify(text)}`,
      { remedy: 'E.g. linux/amd64 or linux/arm64.' },
    );
  return { os, architecture, variant };
}

/** Undefined where a descriptor says none. */
export function platformAt(at: At): Platform | undefined {
  if (!at.isThere) return undefined;
  return {
    os: at.get('os').textOrNone(),
    architecture: at.get('architecture').textOrNone(),
    variant: at.get('variant').textOrNone(),
  };
}

/** What was not said fits; arm64 has had one variant so far, and it is often left out. */
export function fits(offered: Platform, wanted: Platform): boolean {
  const variant = (platform: Platform): string =>
    platform.variant === '' && platform.architecture === 'arm64' ? 'v8' : platform.variant;
  return (
    offered.os === wanted.os &&
    offered.architecture === wanted.architecture &&
    (wanted.variant === '' || variant(offered) === variant(wanted))
  );
}

export const platformText = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter((word) => word !== '').join('/');
