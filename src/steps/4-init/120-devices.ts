import { initStep } from './init-step.ts';

export const devices = initStep({
  id: 'init.devices',
  title: 'Make the device nodes',
  then: { symbol: 'CreateDeviceNodes', file: 'lc/mount/nodes/nodes.go:15' },
  now: { where: 'runc libcontainer/rootfs_linux.go createDevices', cve: ['CVE-2026-41579'] },
  needs: ['handshake', 'bindsMounted'],
  gives: 'devicesMade',
  observe: ['mounts'],
});
