import { initStep } from '../4-init/init-step.ts';

export const capBounding = initStep({
  id: 'exec.cap-bounding',
  title: 'Drop the bounding set',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer ApplyBoundingSet' },
  needs: ['handshake', 'descriptorsMarked'],
  gives: 'boundingDropped',
  observe: ['process'],
});
