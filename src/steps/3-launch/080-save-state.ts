import { join } from 'node:path';
import type { RuntimeState } from '../../daemon/model.ts';
import { step } from '../../engine/step.ts';

export const saveState = step({
  id: 'launch.save-state',
  title: 'Save state.json',
  actor: 'daemon',
  then: { symbol: 'SaveState', file: 'lc/state.go:48' },
  now: { where: 'runc libcontainer/container_linux.go saveState' },
  needs: ['child', 'startTime', 'networkState', 'cgroupPaths', 'bundle', 'networkSent'],
  gives: ['stateFile'],
  observe: ['files'],
  plan: ({ bundle }, { place }) => ({
    drawn: undefined,
    undo: [
      {
        lifetime: 'transient',
        kind: 'remove-file',
        path: join(bundle, 'state.json').slice(place.root.length + 1),
      },
    ],
  }),
  run({ child, startTime, networkState, cgroupPaths, bundle }, { sys }) {
    const state: RuntimeState = {
      init_pid: child.pid,
      init_start_time: startTime,
      network_state: networkState,
      cgroup_paths: cgroupPaths,
    };
    const stateFile = join(bundle, 'state.json');
    sys.replaceFileLoosely(stateFile, `${JSON.stringify(state)}\n`);
    return { stateFile };
  },
});
