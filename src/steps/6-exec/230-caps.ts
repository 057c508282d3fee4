import { initStep } from '../4-init/init-step.ts';

export const caps = initStep({
  id: 'exec.caps',
  title: 'Drop the capabilities',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer ApplyCaps', cve: ['CVE-2022-24769'] },
  needs: ['handshake', 'userSwitched'],
  gives: 'capabilitiesDropped',
  observe: ['process'],
});
