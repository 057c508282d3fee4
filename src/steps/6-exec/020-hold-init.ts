import { holdTarget } from '../../daemon/exec-target.ts';
import { step } from '../../engine/step.ts';

export const holdInit = step({
  id: 'exec.hold-init',
  title: 'Hold the first process of the container',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/container_linux.go currentState, hasInit' },
  needs: ['execTarget', 'wanted'],
  gives: ['held'],
  observe: [],
  run({ execTarget: target, wanted }, { sys, note }) {
    const held = holdTarget(sys, target, wanted);
    for (const [name, link] of Object.entries(held.namespaces)) note(`${name}: ${link}`);
    return { held };
  },
});
