import { findContainer } from '../../daemon/containers.ts';
import { execTarget } from '../../daemon/exec-target.ts';
import { step } from '../../engine/step.ts';

export const getContainer = step({
  id: 'exec.get-container',
  title: 'Find the container, and that it runs',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'moby daemon/exec.go getActiveContainer' },
  needs: ['wanted'],
  gives: ['subject', 'execTarget'],
  observe: ['store', 'files'],
  run({ wanted }, { sys, place }) {
    const subject = findContainer(sys, place, wanted);
    return { subject, execTarget: execTarget(sys, place, subject, wanted) };
  },
});
