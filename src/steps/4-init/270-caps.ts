import { initStep } from './init-step.ts';

export const caps = initStep({
  id: 'init.caps',
  title: 'Drop the capabilities',
  then: { symbol: 'DropCapabilities', file: 'lc/security/capabilities/capabilities.go:31' },
  now: { where: 'runc libcontainer ApplyCaps', cve: ['CVE-2016-8867', 'CVE-2022-24769'] },
  needs: ['handshake', 'userSwitched'],
  gives: 'capabilitiesDropped',
  observe: ['process'],
});
