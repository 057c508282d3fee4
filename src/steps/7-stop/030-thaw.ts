import { resume } from '../../daemon/kill.ts';
import { step } from '../../engine/step.ts';

export const thaw = step({
  id: 'stop.thaw',
  title: 'Thaw it if it is paused',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'moby daemon/kill.go killWithSignal (resumes a paused container)' },
  needs: ['target', 'stopRequested'],
  gives: ['thawed'],
  observe: ['cgroups', 'files'],
  run({ target }, { sys, place, warn, note }) {
    const thawed = target.run !== '' && resume(sys, place, target.id);
    if (thawed) warn(`${target.name} was paused: it goes on, so that it can end`);
    else note('It is not paused.');
    return { thawed: { notes: { thawed } } };
  },
});
