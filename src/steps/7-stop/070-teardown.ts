import { readStored } from '../../daemon/containers.ts';
import { recordEvent } from '../../daemon/events.ts';
import { teardownOver } from '../../daemon/supervision.ts';
import { step } from '../../engine/step.ts';

export const teardown = step({
  id: 'stop.teardown',
  title: 'Wait until its teardown is over',
  actor: 'daemon',
  then: { symbol: 'State.WaitStop', file: 'daemon/container.go Kill' },
  now: { where: 'moby daemon/monitor.go handleContainerExit' },
  needs: ['target', 'killed'],
  gives: ['stopped'],
  observe: ['files', 'cgroups', 'mounts', 'links'],
  async run({ target }, { sys, place, interruption, note }) {
    const { id, run, pidfd } = target;
    if (pidfd >= 0) sys.close(pidfd);
    // Its supervisor takes it down, and nobody else: two that undo the same would undo what the next start makes.
    if (run !== '' && (await teardownOver(sys, place, run, interruption))) recordEvent(place, 'stop', target);
    const stored = readStored(sys, place, id);
    if (stored === undefined) note('It is gone: it was started with --rm.');
    return { stopped: stored?.container.State ?? null };
  },
});
