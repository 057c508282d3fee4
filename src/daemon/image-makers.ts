/** Runs at work that count on layers which no image or container names yet, or that read them: these must not go meanwhile. */
import { join } from 'node:path';
import { openRuns, readStory, type Story } from '../engine/journal.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

const USE_IMAGES = ['pull', 'load', 'import', 'commit', 'push', 'save'];
const STAGES = /^(?:pull|load|commit)\./;
const MAKE_CONTAINERS = ['run', 'create'];

/** E.g. `ts-dock pull`. Not from within a run: to look at its lock would be to lose it. */
export function imageMakers(sys: Kernel, place: Place): string[] {
  return openRuns(sys, place.journal).flatMap((run) => {
    const story = readStory(sys, place.journal, run);
    const command = story.begin?.command ?? '';
    return countsOnLayers(story, command) && isHeld(sys, join(place.journal, 'open', run))
      ? [`ts-dock ${command}`]
      : [];
  });
}

/** A container that is being made has its image in no file yet. */
function countsOnLayers({ entries, created }: Story, command: string): boolean {
  if (USE_IMAGES.includes(command)) return true;
  if (created) return false;
  if (MAKE_CONTAINERS.includes(command)) return true;
  return entries.some((entry) => entry.k === 'plan' && STAGES.test(entry.step));
}

function isHeld(sys: Kernel, lock: string): boolean {
  if (!sys.exists(lock)) return false;
  const taken = sys.lock(lock, false);
  if (taken !== undefined) sys.close(taken);
  return taken === undefined;
}
