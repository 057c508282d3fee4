/** Which run a user means: `latest`, the id of a run, its unique beginning, or a container, whose last run it is. */
import type { Place } from '../daemon/place.ts';
import { TsDockError } from '../engine/failure.ts';
import { readStory, runNames } from '../engine/journal.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { traceOf, type Trace } from './model.ts';

/** Every run that has begun, newest first. Only the run that made a container wrote down its name. */
export function traces(sys: Kernel, place: Place): Trace[] {
  const all = runNames(sys, place.journal)
    .reverse()
    .flatMap((run) => traceOf(readStory(sys, place.journal, run)) ?? []);
  const names = new Map(
    all.flatMap(({ container, containerName }) =>
      containerName === undefined ? [] : [[container, containerName] as const],
    ),
  );
  return all.map((one) =>
    one.container === undefined
      ? one
      : { ...one, containerName: one.containerName ?? names.get(one.container) },
  );
}

export function findTrace(sys: Kernel, place: Place, wanted: string): Trace {
  const all = traces(sys, place);
  const [latest] = all;
  if (latest === undefined)
    throw new TsDockError('no-such-run', 'cannot show a trace: nothing has run yet', {
      remedy: '`ts-dock run --rm base true` leaves one.',
    });
  if (wanted === 'latest') return latest;
  const exact = all.find(({ run }) => run === wanted);
  if (exact !== undefined) return exact;
  const named = all.find(
    ({ container, containerName }) => container === wanted || containerName === wanted.replace(/^\//, ''),
  );
  if (named !== undefined) return named;
  return byBeginning(all, wanted);
}

function byBeginning(all: readonly Trace[], wanted: string): Trace {
  const runs = all.filter(({ run }) => wanted !== '' && run.startsWith(wanted));
  const ofContainers = all.filter(({ container }) => wanted !== '' && container?.startsWith(wanted) === true);
  const containers = new Set(ofContainers.map(({ container }) => container));
  const [run, another] = runs;
  const [last] = ofContainers;
  if (another !== undefined || containers.size > 1 || (run !== undefined && last !== undefined)) {
    const meant = [...runs.map((one) => one.run), ...[...containers].map((id) => (id ?? '').slice(0, 12))];
    throw new TsDockError(
      'ambiguous-reference',
      `cannot tell which run ${wanted} is: ${meant.slice(0, 5).join(', ')}${meant.length > 5 ? ', …' : ''}`,
      { remedy: 'Give more of it; `ts-dock trace list` has the whole ids.' },
    );
  }
  const found = run ?? last;
  if (found === undefined)
    throw new TsDockError('no-such-run', `cannot find a run or a container ${JSON.stringify(wanted)}`, {
      means: 'The journals of the last 100 runs are kept.',
      remedy: '`ts-dock trace list` shows them.',
    });
  return found;
}
