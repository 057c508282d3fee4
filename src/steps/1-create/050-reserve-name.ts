import { randomHex } from '../../kernel/random.ts';
import { listContainers } from '../../daemon/containers.ts';
import { checkName, releaseName, reserveName as reserve } from '../../daemon/names.ts';
import { drawNames } from '../../daemon/name-words.ts';
import { shortId } from '../../daemon/store.ts';
import type { Compensation } from '../../engine/compensation.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const reserveName = step({
  id: 'create.reserve-name',
  title: 'Draw an id and reserve the name',
  actor: 'daemon',
  then: { symbol: 'generateIdAndName, reserveName', file: 'daemon/daemon.go:415' },
  now: { where: 'moby daemon/names.go reserveName', cve: ['CVE-2014-5278'] },
  needs: ['request'],
  gives: ['identity'],
  observe: ['store'],
  plan({ request }, { sys, place }) {
    const id = drawId(listContainers(sys, place).map(({ container }) => container.Name.slice(1)));
    if (request.name !== '') checkName(request.name);
    const names = request.name === '' ? drawNames(id) : [request.name.replace(/^\//, '')];
    return { drawn: { id, names }, undo: [release(names[0] ?? '', id)] };
  },
  run({ request }, { sys, place, drawn: { id, names }, run, alsoUndo }) {
    for (const [i, name] of names.entries()) {
      // Only the first was planned: most runs need no second one, and each release is a transaction.
      if (i > 0) alsoUndo(release(name, id));
      const reserved = reserve(sys, place, name, id, run.id);
      if (reserved.as === 'reserved') return { identity: { id, name } };
      if (reserved.as === 'taken' && request.name !== '') throw taken(name, reserved.by);
    }
    releaseName(sys, place, '', id);
    throw new TsDockError('name-taken', 'cannot find a free name for the container', {
      remedy: 'Give one with --name, or try again.',
    });
  },
});

const release = (name: string, id: string): Compensation => ({
  lifetime: 'with-container',
  kind: 'release-name',
  name,
  id,
});

/**
 * Never twelve digits in front: a tool that took them for a number would lose their zeros (Docker 1.2.0: GenerateRandomID).
 * Never the name of another container either: `ab` has to go on meaning the one that is called so.
 */
function drawId(names: readonly string[]): string {
  for (;;) {
    const id = randomHex(32);
    if (!/^\d{12}/.test(id) && !names.some((name) => id.startsWith(name))) return id;
  }
}

function taken(name: string, by: string): TsDockError {
  return new TsDockError('name-taken', `Conflict, The name ${name} is already assigned to ${shortId(by)}`, {
    means: 'A name belongs to one container at a time, until that one is removed.',
    remedy: `Remove it with \`ts-dock rm ${name}\`, or choose another name.`,
  });
}
