import { step } from '../../engine/step.ts';

export const leave = step({
  id: 'exec.leave',
  title: 'Leave the program to itself',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'moby daemon/exec.go ContainerExecStart, detached' },
  needs: ['child', 'ready'],
  gives: ['left'],
  observe: ['process'],
  run({ child }, { handOver, note }) {
    handOver('kill-process');
    note(`Process ${child.pid.toString()} goes on; it ends with the container at the latest.`);
    return { left: { notes: {} } };
  },
});
