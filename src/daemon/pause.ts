/** `pause` and `unpause`: the kernel's freezer first, then what is written down. */
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { changeContainer, findContainer } from './containers.ts';
import { recordEvent, subjectOf } from './events.ts';
import { freeze, isFrozen, thaw } from './freezer.ts';
import { notRunning, resume } from './kill.ts';
import type { Place } from './place.ts';
import { supervisedBy } from './supervision.ts';

export async function pauseContainer(sys: Kernel, place: Place, wanted: string): Promise<void> {
  const { container } = findContainer(sys, place, wanted);
  const { phase } = supervisedBy(sys, place, container);
  if (phase !== 'running' || container.State.Restarting) throw notRunning('pause', wanted, phase);
  if (container.State.Paused && isFrozen(sys, place.cgroupParent, container.ID))
    throw new TsDockError('paused', `cannot pause ${wanted}: it is paused already`, {
      remedy: `\`ts-dock unpause ${wanted}\` lets it go on.`,
    });
  // Killed between the two lines, ts-dock leaves it frozen and not written down: both commands then still work.
  await freeze(sys, place.cgroupParent, container.ID);
  changeContainer(sys, place, container.ID, (found) => ({
    ...found,
    State: { ...found.State, Paused: found.State.Running },
  }));
  recordEvent(place, 'pause', subjectOf(container));
}

export function unpauseContainer(sys: Kernel, place: Place, wanted: string): void {
  const { container } = findContainer(sys, place, wanted);
  const { phase } = supervisedBy(sys, place, container);
  if (phase !== 'running') throw notRunning('unpause', wanted, phase);
  const frozen = isFrozen(sys, place.cgroupParent, container.ID);
  if (!frozen && !container.State.Paused)
    throw new TsDockError('not-running', `cannot unpause ${wanted}: it is not paused`);
  resume(sys, place, container.ID);
  recordEvent(place, 'unpause', subjectOf(container));
}

/** For a container that was made to stand still for a while: nothing where it goes on already, or has ended. */
export function letGoOn(sys: Kernel, place: Place, id: string): void {
  const thawed = thaw(sys, place.cgroupParent, id);
  const container = changeContainer(sys, place, id, (found) =>
    found.State.Paused ? { ...found, State: { ...found.State, Paused: false } } : found,
  );
  if (thawed && container !== undefined) recordEvent(place, 'unpause', subjectOf(container));
}
