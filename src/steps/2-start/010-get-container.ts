import { findContainer, resolveContainer, startLease, takeStart } from '../../daemon/containers.ts';
import { beneath } from '../../daemon/store.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const getContainer = step({
  id: 'start.get-container',
  title: 'Get the container from contStore',
  actor: 'daemon',
  then: { symbol: 'Daemon.Get', file: 'daemon/daemon.go:143' },
  now: { where: 'moby daemon/start.go, daemon/container.go GetContainer', cve: ['CVE-2014-5278'] },
  needs: ['wanted'],
  gives: ['subject'],
  observe: ['store', 'files'],
  plan({ wanted }, { sys, place, run }) {
    const id = resolveContainer(sys, place, wanted);
    return {
      drawn: id,
      undo: [
        {
          lifetime: 'transient',
          kind: 'release-lease',
          path: beneath(place, startLease(place, id)),
          content: run.id,
        },
      ],
    };
  },
  run({ wanted }, { sys, place, drawn, run }) {
    const subject = findContainer(sys, place, drawn);
    // The lease, and not the state on disk, decides: two commands may read the same state at the same moment.
    if (subject.container.State.Running || !takeStart(sys, place, drawn, run.id)) {
      throw new TsDockError('already-running', `cannot start ${wanted}: Container already started`, {
        remedy: '`ts-dock ps` shows what runs.',
      });
    }
    return { subject };
  },
});
