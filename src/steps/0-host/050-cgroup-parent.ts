import { makeParent } from '../../daemon/cgroups.ts';
import { underLock } from '../../daemon/lock.ts';
import { step } from '../../engine/step.ts';

export const cgroupParent = step({
  id: 'host.cgroup-parent',
  title: 'Make the parent of all cgroups',
  actor: 'daemon',
  then: { symbol: 'fs.Apply', file: 'lc/cgroups/fs/apply_raw.go' },
  now: {
    where: 'opencontainers/cgroups fs2/create.go CreateCgroupPath',
    moved: 'from spawn.cgroups, which made it again for every container',
  },
  needs: [],
  gives: ['cgroupParent'],
  observe: ['cgroups'],
  plan: (_, { place }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'host', kind: 'remove-cgroup-parent', parent: place.cgroupParent }],
  }),
  run(_, { sys, place, note, warn }) {
    const { version, made, refused } = underLock(sys, place, () => makeParent(sys, place.cgroupParent));
    if (version === 'none') warn('No cgroup hierarchy is mounted, so nothing can be limited.');
    for (const sentence of refused) note(sentence);
    return { cgroupParent: { notes: { version, made } } };
  },
});
