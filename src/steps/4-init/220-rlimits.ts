import { initStep } from './init-step.ts';

export const rlimits = initStep({
  id: 'init.rlimits',
  title: 'Set the resource limits',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer setupRlimits' },
  needs: ['handshake', 'restricted'],
  gives: 'rlimitsSet',
  observe: ['process'],
});
