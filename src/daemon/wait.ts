/** Waiting for a container's end, from another process than its supervisor. */
import { TsDockError } from '../engine/failure.ts';
import { readStory } from '../engine/journal.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { findContainer, readStored } from './containers.ts';
import type { Place } from './place.ts';
import { supervisedBy, teardownOver } from './supervision.ts';

/** The exit code, when all is taken down: at once for a container that does not run. */
export async function waitForEnd(sys: Kernel, place: Place, wanted: string): Promise<number> {
  const { container } = findContainer(sys, place, wanted);
  const { run, phase } = supervisedBy(sys, place, container);
  if (phase === 'idle') return container.State.ExitCode;
  await teardownOver(sys, place, run);
  const stored = readStored(sys, place, container.ID);
  if (stored !== undefined) return stored.container.State.ExitCode;
  // It went with its run (`--rm`), whose journal is kept.
  const end = readStory(sys, place.journal, run).entries.find((entry) => entry.k === 'end');
  if (end !== undefined) return end.code;
  throw new TsDockError(
    'no-such-container',
    `cannot say how ${wanted} ended: its ts-dock was killed, and it is gone`,
  );
}
