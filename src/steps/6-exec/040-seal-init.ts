import { freshInit, sealInit as sealCopy } from '../../daemon/dockerinit.ts';
import { step } from '../../engine/step.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';
import type { Stdio } from '../../flows/values.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export const sealInit = step({
  id: 'exec.seal-init',
  title: 'Seal dockerinit, make its sync pipe',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/exeseal/cloned_binary_linux.go', cve: ['CVE-2019-5736'] },
  needs: ['execRequest', 'bundle'],
  gives: ['sealedInit', 'syncPipe', 'stdio'],
  observe: [],
  run({ execRequest }, { sys, place, run }) {
    const sealedInit = sealCopy(sys, freshInit(sys, place).path);
    const [parent, child] = sys.socketpair();
    const silent = execRequest.detach || execRequest.tty;
    const stdio = streams(sys, silent, run.stdin === 'terminal');
    return { sealedInit, syncPipe: { parent, child }, stdio };
  },
});

/** With a terminal of its own, or when nobody stays to look on, it gets none of ours. */
function streams(sys: Kernel, silent: boolean, stdin: boolean): Stdio {
  if (stdin && !silent) return { by: 'inherit', fds: [0, 1, 2], close: [] };
  const nothing = sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0);
  return { by: 'inherit', fds: silent ? [nothing, nothing, nothing] : [nothing, 1, 2], close: [nothing] };
}
