import {
  changeContainer,
  containerFolder,
  noSuchContainer,
  readStored,
  startLease,
  takeStart,
} from '../../daemon/containers.ts';
import { beneath } from '../../daemon/store.ts';
import { stoppedMeanwhile } from '../../daemon/supervision.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

/** A timer that is asked for more milliseconds than this rings at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const backOff = step({
  id: 'start.back-off',
  title: 'Wait before starting it again',
  actor: 'daemon',
  then: { symbol: 'waitForNextRestart', file: 'daemon/monitor.go:203' },
  now: { where: 'moby restartmanager/restartmanager.go ShouldRestart' },
  needs: ['wanted', 'attempt'],
  gives: ['backedOff'],
  observe: ['files'],
  plan: ({ wanted }, { place, run }) => ({
    drawn: undefined,
    undo: [
      {
        lifetime: 'transient',
        kind: 'release-lease',
        path: beneath(place, startLease(place, wanted)),
        content: run.id,
      },
    ],
  }),
  async run({ wanted, attempt }, { sys, place, run, alsoUndo, interruption }) {
    // From here on this run has it: whoever stops or removes it knows whom to wait for.
    if (!takeStart(sys, place, wanted, run.id)) throw startedMeanwhile(wanted);
    // Not in the plan: of a container that somebody else has started there would be nothing of ours to settle.
    alsoUndo({ lifetime: 'transient', kind: 'settle-state', container: wanted });
    const restarting = changeContainer(sys, place, wanted, (container) => {
      if (container.State.StopRequested) throw stoppedMeanwhile(wanted);
      return {
        ...container,
        State: { ...container.State, Restarting: true },
        RestartCount: container.RestartCount + 1,
        Attempt: attempt,
      };
    });
    if (restarting === undefined) throw noSuchContainer(wanted);
    // Whoever stops or removes it meanwhile writes that into its folder.
    await new Promise<void>((resolve, reject) => {
      const over = setTimeout(() => finish(resolve), Math.min(attempt.delay, LONGEST_TIMER));
      const watch = sys.changesIn(containerFolder(place, wanted), () => {
        if (isWanted()) return;
        finish(() => {
          reject(stoppedMeanwhile(wanted));
        });
      });
      const isWanted = (): boolean => readStored(sys, place, wanted)?.container.State.StopRequested === false;
      const finish = (settle: () => void): void => {
        clearTimeout(over);
        watch.stop();
        settle();
      };
      void interruption.then(() => {
        finish(resolve);
      });
      // It may have been written before anybody watched.
      if (!isWanted())
        finish(() => {
          reject(stoppedMeanwhile(wanted));
        });
    });
    return { backedOff: { notes: { milliseconds: attempt.delay } } };
  },
});

function startedMeanwhile(id: string): TsDockError {
  return new TsDockError(
    'already-running',
    `${id.slice(0, 12)} is not started again: somebody has started it`,
  );
}
