import { initStep } from '../4-init/init-step.ts';

export const rlimits = initStep({
  id: 'exec.rlimits',
  title: 'Set the resource limits',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer setupRlimits' },
  needs: ['handshake', 'lsmSet'],
  gives: 'rlimitsSet',
  observe: ['process'],
});
