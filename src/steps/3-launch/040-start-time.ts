import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { startTimeOf } from '../../kernel/append.ts';

export const startTime = step({
  id: 'launch.start-time',
  title: 'Note the start time of dockerinit',
  actor: 'daemon',
  then: { symbol: 'GetProcessStartTime', file: 'lc/system/proc.go:12' },
  now: { where: 'runc libcontainer/system Stat; a pidfd where it can be kept' },
  needs: ['child'],
  gives: ['startTime'],
  observe: ['process'],
  run({ child }) {
    const time = startTimeOf(child.pid);
    if (time === undefined)
      throw new TsDockError(
        'init-died',
        `cannot read /proc/${child.pid.toString()}/stat: dockerinit is gone`,
      );
    return { startTime: time };
  },
});
