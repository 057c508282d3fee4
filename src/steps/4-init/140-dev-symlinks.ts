import { initStep } from './init-step.ts';

export const devSymlinks = initStep({
  id: 'init.dev-symlinks',
  title: 'Link fd, stdin, stdout, stderr',
  then: { symbol: 'setupDevSymlinks', file: 'lc/mount/init.go:126' },
  now: { where: 'runc libcontainer/rootfs_linux.go setupDevSymlinks', cve: ['CVE-2026-41579'] },
  needs: ['handshake', 'consoleMade'],
  gives: 'devLinked',
  observe: ['mounts'],
});
