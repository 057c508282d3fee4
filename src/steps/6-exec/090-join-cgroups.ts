import { initStep } from '../4-init/init-step.ts';

export const joinCgroups = initStep({
  id: 'exec.join-cgroups',
  title: 'Join the cgroups of the container',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/process_linux.go setnsProcess.start' },
  needs: ['handshake', 'envLoaded'],
  gives: 'cgroupsJoined',
  observe: ['cgroups'],
});
