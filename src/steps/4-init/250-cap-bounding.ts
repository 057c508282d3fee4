import { initStep } from './init-step.ts';

export const capBounding = initStep({
  id: 'init.cap-bounding',
  title: 'Drop the bounding set',
  then: { symbol: 'DropBoundingSet', file: 'lc/security/capabilities/capabilities.go:13' },
  now: { where: 'runc libcontainer ApplyBoundingSet' },
  needs: ['handshake', 'descriptorsMarked'],
  gives: 'boundingDropped',
  observe: ['process'],
});
