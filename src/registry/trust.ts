/** Authorities and certificates that the host's administrator gave for one registry, in Docker's place and shape. */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Trust } from '../kernel/http.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { readSmall } from './small-file.ts';

const MOST_PEM = 1024 * 1024;

/** @param host - with its port, if the name has one: that is what the folder is called. */
export function trustFor(sys: Kernel, certificates: string, host: string): Trust {
  // It becomes part of a path; a host has neither `/` nor `..` by its syntax, which was checked.
  const folder = join(certificates, host);
  const names = namesIn(sys, folder);
  const read = (name: string): string => readSmall(sys, join(folder, name), MOST_PEM);
  const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
  const certificate = names.find((name) => name.endsWith('.cert'));
  if (certificate === undefined) return { authorities };
  const key = certificate.replace(/\.cert$/, '.key');
  if (!names.includes(key))
    throw new TsDockError(
      'bad-config',
      `cannot use ${join(folder, certificate)}: there is no ${key} beside it`,
      {
        means: 'A certificate says who we are only together with its key.',
      },
    );
  return { authorities, certificate: read(certificate), key: read(key) };
}

function namesIn(sys: Kernel, folder: string): string[] {
  try {
    return sys.readdirPath(folder).sort();
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
