import { step } from '../../engine/step.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';

export const execDriverRun = step({
  id: 'start.exec-driver-run',
  title: 'Hand the Command to the native driver',
  actor: 'daemon',
  then: { symbol: 'driver.Run', file: 'daemon/execdriver/native/driver.go:62' },
  now: { where: 'containerd client/container.go NewTask; runc libcontainer/exeseal', cve: ['CVE-2019-5736'] },
  needs: ['command', 'bundle', 'dockerinit'],
  gives: ['sealedInit'],
  observe: [],
  run({ dockerinit }, { sys }) {
    const file = sys.openat2(AT_FDCWD, dockerinit, O.RDONLY | O.CLOEXEC | O.NOFOLLOW, 0, 0);
    try {
      // A copy in memory that nobody can write: through /proc/self/exe the container reaches this, and never the file.
      return { sealedInit: sys.sealedCopy(file, 'dockerinit') };
    } finally {
      sys.close(file);
    }
  },
});
