import { verifyJoined } from '../../daemon/cgroups.ts';
import { initStep } from './init-step.ts';

export const joinCgroups = initStep({
  id: 'init.join-cgroups',
  title: 'Join the cgroups',
  then: { symbol: '', file: '' },
  now: { where: 'the process joins by itself; 1.2.0 wrote its pid from outside (SetupCgroups)' },
  needs: ['handshake', 'envLoaded', 'cgroupPaths', 'child'],
  gives: 'cgroupsJoined',
  observe: ['cgroups'],
  after: ({ child, cgroupPaths }, sys) => {
    verifyJoined(sys, child.pid, cgroupPaths);
  },
});
