/** `os/architecture/variant` as images have it, and which of several an image is taken for. Pure. */
import { TsDockError } from '../engine/failure.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Empty: none in particular. */
  readonly variant: string;
}

const OF_NODE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};
const SPELT: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm/v7',
  armel: 'arm/v6',
};

/** Of this machine. */
export function ownPlatform(arch: string = process.arch): Platform {
  return normal({ os: 'linux', architecture: OF_NODE[arch] ?? arch, variant: '' });
}

/** `linux/arm64`, `arm/v7`, `amd64`. @throws TsDockError `bad-usage`. */
export function parsePlatform(text: string): Platform {
  const wrong = (): TsDockError =>
    new TsDockError(
      'bad-usage',
      `expected --platform to be OS/ARCHITECTURE[/VARIANT], such as linux/arm64, got ${JSON.stringify(text)}`,
    );
  const parts = text.toLowerCase().split('/');
  if (parts.some((part) => !/^[a-z0-9_.-]+$/.test(part)) || parts.length > 3) throw wrong();
  const [first = ''] = parts;
  const rest = first === 'linux' ? parts.slice(1) : parts;
  const [architecture = '', variant = '', more] = rest.flatMap((part) => (SPELT[part] ?? part).split('/'));
  if (architecture === '' || more !== undefined) throw wrong();
  if (first !== 'linux' && ['windows', 'darwin', 'freebsd'].includes(first))
    throw new TsDockError('bad-usage', `cannot use --platform ${text}: containers here are Linux's`, {
      means: 'ts-dock runs programs on the kernel of this machine.',
      remedy: 'Ask for linux/ and an architecture.',
    });
  return normal({ os: 'linux', architecture, variant });
}

/** containerd's: arm64 is v8 unless said otherwise, arm is v7. */
export function normal({ os, architecture, variant }: Platform): Platform {
  if (architecture === 'arm64' && variant === 'v8') return { os, architecture, variant: '' };
  if (architecture === 'arm' && variant === '') return { os, architecture, variant: 'v7' };
  if (architecture === 'amd64' && variant === 'v1') return { os, architecture, variant: '' };
  return { os, architecture, variant };
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === '' ? [] : [variant])].join('/');
}

/** How well an image's platform serves one that is wanted: 0 as wanted, more is worse; undefined: not at all. */
export function distance(wanted: Platform, offered: Platform): number | undefined {
  const have = normal(offered);
  if (have.os !== wanted.os || have.architecture !== wanted.architecture) return undefined;
  if (have.variant === wanted.variant) return 0;
  // A processor runs what was made for older ones of its kind.
  const level = (variant: string): number =>
    variant === '' ? 0 : Number(/^v(\d+)$/.exec(variant)?.[1] ?? NaN);
  const gap = level(wanted.variant) - level(have.variant);
  return gap > 0 ? gap : undefined;
}
