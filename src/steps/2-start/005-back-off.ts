import { containerFolder, readStored, saveContainer } from '../../daemon/containers.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import type { Container } from '../../daemon/model.ts';

export const backOff = step({
  id: 'start.back-off',
  title: 'Wait before starting it again',
  actor: 'daemon',
  then: { symbol: 'waitForNextRestart', file: 'daemon/monitor.go:203' },
  now: { where: 'moby restartmanager/restartmanager.go ShouldRestart' },
  needs: ['wanted', 'attempt'],
  gives: ['backedOff'],
  observe: ['files'],
  plan: ({ wanted }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'transient', kind: 'settle-state', container: wanted }],
  }),
  async run({ wanted, attempt }, { sys, place }) {
    const now = (): Container | undefined => readStored(sys, place, wanted)?.container;
    const stored = readStored(sys, place, wanted);
    if (stored === undefined) throw called(wanted);
    const State = { ...stored.container.State, Restarting: true };
    const RestartCount = stored.container.RestartCount + 1;
    saveContainer(
      sys,
      place,
      { ...stored.container, State, RestartCount, Attempt: attempt },
      stored.hostConfig,
    );
    // Whoever stops or removes it meanwhile writes that into its folder.
    await new Promise<void>((resolve, reject) => {
      const over = setTimeout(() => finish(resolve), attempt.delay);
      const watch = sys.watchFolder(containerFolder(place, wanted), () => {
        const container = now();
        if (container === undefined || container.State.StopRequested) finish(() => reject(called(wanted)));
      });
      const finish = (settle: () => void): void => {
        clearTimeout(over);
        watch.stop();
        settle();
      };
    });
    return { backedOff: { notes: { milliseconds: attempt.delay } } };
  },
});

function called(id: string): TsDockError {
  return new TsDockError('interrupted', `${id.slice(0, 12)} is not started again: somebody stopped it`);
}
