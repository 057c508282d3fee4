import { step } from '../../engine/step.ts';
import { AT_FDCWD, O } from '../../kernel/flags.ts';

export const console = step({
  id: 'start.console',
  title: 'Choose standard input, output and error',
  actor: 'daemon',
  then: { symbol: 'NewTtyConsole, StdConsole', file: 'daemon/execdriver/native/driver.go:69' },
  now: {
    where: 'runc libcontainer/init_linux.go setupConsole (a pty of the container, made inside)',
    cve: ['CVE-2017-5226', 'CVE-2025-52565'],
  },
  needs: ['command', 'subject'],
  gives: ['stdio'],
  observe: [],
  run({ command, subject }, { sys, run }) {
    if (run.supervised) {
      const mode = command.tty ? 'tty' : 'pipes';
      return { stdio: { by: 'monitor', mode, stdin: subject.container.Config.OpenStdin } };
    }
    if (run.stdin === 'terminal') return { stdio: { by: 'inherit', fds: [0, 1, 2], close: [] } };
    // Not ours: what is typed, or piped, into ts-dock is for the one who steps.
    const nothing = sys.openat2(AT_FDCWD, '/dev/null', O.RDONLY | O.CLOEXEC, 0, 0);
    return { stdio: { by: 'inherit', fds: [nothing, 1, 2], close: [nothing] } };
  },
});
