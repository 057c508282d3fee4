/** `rename`: the name in `linkgraph.db`, which makes it one container's alone, and in config.json, where it is looked up. */
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { changeContainer, findContainer, noSuchContainer } from './containers.ts';
import { recordEvent, subjectOf } from './events.ts';
import { addName, checkName, keepOnlyName } from './names.ts';
import type { Place } from './place.ts';
import { shortId } from './store.ts';

export function renameContainer(sys: Kernel, place: Place, wanted: string, to: string): void {
  const { container } = findContainer(sys, place, wanted);
  const { ID, Name } = container;
  const name = to.replace(/^\//, '');
  checkName(name);
  if (`/${name}` === Name)
    throw new TsDockError('name-taken', `cannot rename ${wanted}: it is called ${name} already`);
  // Killed after any of these lines, ts-dock leaves a container that has both names, and one of them written down: no
  // other can take either. The next rename, or rm, gives back what is too much.
  const by = addName(sys, place, name, ID);
  if (by !== undefined)
    throw new TsDockError('name-taken', `Conflict, The name ${name} is already assigned to ${shortId(by)}`, {
      means: 'A name belongs to one container at a time, until that one is removed.',
      remedy: `Remove or rename ${shortId(by)} first, or choose another name.`,
    });
  const renamed = changeContainer(sys, place, ID, (found) => ({ ...found, Name: `/${name}` }));
  if (renamed === undefined) throw noSuchContainer(wanted);
  keepOnlyName(sys, place, name, ID);
  recordEvent(place, 'rename', subjectOf(renamed), { oldName: Name.slice(1) });
}
