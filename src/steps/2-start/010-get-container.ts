import { findContainer, resolveContainer, startLease, takeStart } from '../../daemon/containers.ts';
import { copyOver } from '../../daemon/copy-root.ts';
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
  async run({ wanted }, { sys, place, drawn, run, interruption }) {
    const subject = findContainer(sys, place, drawn);
    // The lease, and not the state on disk, decides: two commands may read the same state at the same moment.
    const take = (): boolean => takeStart(sys, place, drawn, run.id);
    const taken = take() || ((await copyOver(sys, place, drawn, interruption)) && take());
    if (subject.container.State.Running || !taken) {
      throw new TsDockError('already-running', `cannot start ${wanted}: Container already started`, {
        remedy: '`ts-dock ps` shows what runs.',
      });
    }
    return { subject };
  },
});
