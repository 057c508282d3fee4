/** What `ps --filter` understands. */
import { findContainer } from '../daemon/containers.ts';
import { ancestryOf, readImage } from '../daemon/images.ts';
import { layersOf } from '../daemon/image-store.ts';
import { NEVER, type Container, type State } from '../daemon/model.ts';
import type { Place } from '../daemon/place.ts';
import { lookupImage } from '../daemon/tags.ts';
import { TsDockError } from '../engine/failure.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { filtersOf, fits } from './filters.ts';
import * as value from './option-values.ts';

const KEYS = ['status', 'name', 'id', 'ancestor', 'exited', 'before', 'since'];
const STATUSES = ['created', 'running', 'paused', 'restarting', 'exited'];

export function statusWord({ Running, Paused, Restarting, StartedAt }: State): string {
  if (Restarting) return 'restarting';
  if (Running) return Paused ? 'paused' : 'running';
  return StartedAt === NEVER ? 'created' : 'exited';
}

export interface PsFilter {
  /** Containers that do not run are meant too, whether or not -a was said. */
  readonly asksForAll: boolean;
  on(sys: Kernel, place: Place): (container: Container) => boolean;
}

export function psFilter(texts: readonly string[]): PsFilter {
  const filters = filtersOf(texts, KEYS);
  for (const status of filters.get('status') ?? [])
    if (!STATUSES.includes(status))
      throw new TsDockError('bad-usage', `there is no status ${JSON.stringify(status)}`, {
        remedy: `There are ${STATUSES.join(', ')}.`,
      });
  for (const code of filters.get('exited') ?? []) value.wholeNumber('--filter exited=', code, 0, 255);
  return {
    asksForAll: ['status', 'exited', 'before', 'since'].some((key) => filters.has(key)),
    on(sys, place) {
      const made = new Map(
        ['before', 'since']
          .flatMap((key) => filters.get(key) ?? [])
          .map((wanted) => [wanted, findContainer(sys, place, wanted).container.Created]),
      );
      const images = new Map(
        (filters.get('ancestor') ?? []).map((wanted) => [wanted, lookupImage(sys, place, wanted).id]),
      );
      const rules: Readonly<Record<string, (container: Container, wanted: string) => boolean>> = {
        status: ({ State }, wanted) => statusWord(State) === wanted,
        name: ({ Name }, wanted) => Name.includes(wanted),
        id: ({ ID }, wanted) => ID.startsWith(wanted),
        ancestor: ({ Image }, wanted) => comesFrom(sys, place, Image, images.get(wanted) ?? ''),
        exited: ({ State }, wanted) => statusWord(State) === 'exited' && State.ExitCode === Number(wanted),
        before: ({ Created }, wanted) => Created < (made.get(wanted) ?? ''),
        since: ({ Created }, wanted) => Created > (made.get(wanted) ?? ''),
      };
      return (container) => fits(filters, rules, container);
    },
  };
}

/** It is that image, or stands on it: on the same layers, whatever their ids. */
function comesFrom(sys: Kernel, place: Place, image: string, from: string): boolean {
  if (image === from) return true;
  try {
    const whole = readImage(sys, place, image);
    if (ancestryOf(sys, place, whole).includes(from)) return true;
    const layers = layersOf(sys, place, whole);
    const below = layersOf(sys, place, readImage(sys, place, from));
    return below.length > 0 && below.length < layers.length && below.every((layer, i) => layer === layers[i]);
  } catch (error) {
    // Its image is damaged or gone: then nobody knows what it comes from.
    if (error instanceof TsDockError) return false;
    throw error;
  }
}
