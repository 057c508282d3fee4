import { initStep } from './init-step.ts';

export const reopenNull = initStep({
  id: 'init.reopen-null',
  title: 'Reopen /dev/null inside',
  then: { symbol: 'reOpenDevNull', file: 'lc/mount/init.go:222' },
  now: {
    where: 'runc libcontainer/rootfs_linux.go reOpenDevNull',
    cve: ['CVE-2015-3627'],
    moved: 'from before the pivot: a link in the image decided what was opened on the host',
  },
  needs: ['handshake', 'jailed'],
  gives: 'nullReopened',
  observe: ['process'],
});
