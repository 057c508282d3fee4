import { step } from '../../engine/step.ts';
import { ensureDirInRoot } from '../../daemon/rootfs.ts';

export const workdir = step({
  id: 'start.workdir',
  title: 'Make the working directory',
  actor: 'daemon',
  then: { symbol: 'setupWorkingDirectory', file: 'daemon/container.go:1026' },
  now: {
    where: 'moby daemon/container/container.go SetupWorkingDirectory; runc makes it inside the jail',
    cve: ['CVE-2014-9356'],
  },
  needs: ['subject', 'rootfs'],
  gives: ['workdir'],
  observe: [],
  run({ subject, rootfs }, { sys }) {
    const wanted = subject.container.Config.WorkingDir;
    if (wanted !== '') ensureDirInRoot(sys, rootfs, wanted);
    return { workdir: wanted === '' ? '/' : wanted };
  },
});
