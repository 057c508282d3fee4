import { initStep } from './init-step.ts';

export const readonlyRoot = initStep({
  id: 'init.readonly-root',
  title: 'Make the root read-only if asked',
  then: { symbol: 'SetReadonly', file: 'lc/mount/readonly.go:9' },
  now: { where: 'runc libcontainer/rootfs_linux.go setReadonly' },
  needs: ['handshake', 'nullReopened'],
  gives: 'rootReadonly',
  observe: ['mounts'],
});
