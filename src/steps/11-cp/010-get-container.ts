import { resolveContainer, startLease } from '../../daemon/containers.ts';
import { occupy } from '../../daemon/copy-root.ts';
import { subjectOf } from '../../daemon/events.ts';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const getContainer = step({
  id: 'cp.get-container',
  title: 'Find the container and hold on to it',
  actor: 'daemon',
  then: { symbol: 'ContainerCopy, Daemon.Get', file: 'daemon/copy.go' },
  now: { where: 'moby daemon/archive.go ContainerArchivePath' },
  needs: ['wanted'],
  gives: ['copyTarget'],
  observe: ['files', 'process'],
  plan({ wanted }, { sys, place, run }) {
    const id = resolveContainer(sys, place, wanted);
    const path = beneath(place, startLease(place, id));
    return { drawn: id, undo: [{ lifetime: 'transient', kind: 'release-lease', path, content: run.id }] };
  },
  async run(_taken, { sys, place, run, drawn: id, interruption, note }) {
    const { held, ...stored } = await occupy(sys, place, id, run.id, interruption);
    if (held === undefined) note('It does not run, and cannot be started before this is over.');
    const { pid, startTime, pidfd } = held ?? { pid: 0, startTime: '', pidfd: -1 };
    return { copyTarget: { ...subjectOf(stored.container), stored, pid, startTime, pidfd } };
  },
});
