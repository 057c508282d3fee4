import { containerById, saveContainer } from '../../daemon/containers.ts';
import { exitCodeOf } from '../../daemon/exit-code.ts';
import type { State } from '../../daemon/model.ts';
import { step } from '../../engine/step.ts';

export const persist = step({
  id: 'exit.persist',
  title: 'Record how it ended',
  actor: 'daemon',
  then: { symbol: 'toDisk', file: 'daemon/monitor.go:190' },
  now: { where: 'moby daemon/container CheckpointTo' },
  needs: ['ended', 'subject'],
  gives: ['recorded'],
  observe: ['files'],
  run({ ended, subject }, { sys, place }) {
    const container = containerById(sys, place, subject.container.ID);
    const recorded: State = {
      ...container.State,
      Running: false,
      Pid: 0,
      ExitCode: exitCodeOf(ended),
      FinishedAt: new Date().toISOString(),
    };
    saveContainer(sys, place, { ...container, State: recorded }, subject.hostConfig);
    return { recorded };
  },
});
