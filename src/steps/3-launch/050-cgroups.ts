import { joinFiles, makeGroup, setLimits } from '../../daemon/cgroups.ts';
import { step } from '../../engine/step.ts';

export const cgroups = step({
  id: 'launch.cgroups',
  title: 'Make the cgroup and set its limits',
  actor: 'daemon',
  then: { symbol: 'SetupCgroups', file: 'lc/namespaces/exec.go:160' },
  now: { where: 'opencontainers/cgroups fs/fs.go, fs2/fs2.go Apply and Set', cve: ['CVE-2022-0492'] },
  needs: ['child', 'handshake', 'command', 'cgroupParent'],
  gives: ['cgroupPaths'],
  observe: ['cgroups'],
  plan: ({ command }, { place }) => ({
    drawn: undefined,
    undo: [{ lifetime: 'transient', kind: 'remove-cgroup', parent: place.cgroupParent, name: command.id }],
  }),
  run({ handshake, command }, { sys, place, note }) {
    const cgroupPaths = makeGroup(sys, place.cgroupParent, command.id);
    // Before anybody is in it: 1.2.0 put the process in first, and a limit below what it used already was refused.
    for (const sentence of setLimits(sys, cgroupPaths, command.resources)) note(sentence);
    // dockerinit walks in by itself, which is quicker by two orders of magnitude than being moved by somebody else.
    handshake.sendJoin(joinFiles(cgroupPaths));
    return { cgroupPaths };
  },
});
