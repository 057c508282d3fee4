/** What `-v` says: `src:dst[:ro|rw]`, checked before anything of it is used as a path. */
import { isAbsolute, normalize } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { BindSpec } from '../flows/values.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** Whoever covers a part of these fakes what dockerinit writes there: labels, limits, masks (CVE-2015-3631). */
const GUARDED = ['/proc', '/sys'];

export function parseBind(text: string): BindSpec {
  const parts = text.split(':');
  const [source = '', destination = '', mode = 'rw'] = parts;
  if (parts.length < 2 || parts.length > 3)
    throw illegal(text, 'it is not SOURCE:DESTINATION or SOURCE:DESTINATION:ro');
  if (!isAbsolute(source)) throw illegal(text, 'volume paths must be absolute');
  const where = checkDestination(destination, (why) => illegal(text, why));
  // 1.2.0 took every mode that it did not know for read-only, without a word.
  if (mode !== 'rw' && mode !== 'ro')
    throw illegal(text, `the mode ${JSON.stringify(mode)} is neither ro nor rw`);
  return { source: cleaned(source), destination: where, writable: mode === 'rw' };
}

/** Where an image wants a volume: checked like a user's, as images come from anybody. */
export const imageDestination = (text: string): string =>
  checkDestination(
    text,
    (why) =>
      new TsDockError('bad-image', `cannot make the volume ${JSON.stringify(text)} of the image: ${why}`, {
        means: 'The image asks for a volume where none may lie.',
      }),
  );

const cleaned = (path: string): string => normalize(path).replace(/(.)\/$/, '$1');

function checkDestination(destination: string, refused: (why: string) => TsDockError): string {
  if (!isAbsolute(destination)) throw refused('the destination must be absolute');
  const where = cleaned(destination);
  if (where === '/' || GUARDED.some((path) => where === path || where.startsWith(`${path}/`)))
    throw refused(`Illegal bind destination: ${where}`);
  return where;
}

/** A source that is not there is a spelling mistake. 1.2.0 made a directory of root's on the host instead. */
export function checkSource(sys: Kernel, { source }: BindSpec): void {
  try {
    sys.stat(source);
  } catch (error) {
    if (!refusedWith(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new TsDockError(
      'missing-source',
      `cannot mount ${source}: there is no such file or directory on this host`,
      {
        means: 'The source of a volume must be there before the container starts.',
        remedy: 'Make it, or check the spelling.',
      },
    );
  }
}

function illegal(text: string, why: string): TsDockError {
  return new TsDockError('bad-config', `cannot bind mount volume ${JSON.stringify(text)}: ${why}`, {
    remedy: 'Write it as -v /on/the/host:/in/the/container or with :ro behind it.',
  });
}
