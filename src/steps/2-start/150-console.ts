import { step, type OutputListener } from '../../engine/step.ts';
import type { Kernel } from '../../kernel/kernel.ts';
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
  run({ command, subject }, { sys, run, note }) {
    if (run.supervised) {
      const mode = command.tty ? 'tty' : 'pipes';
      return { stdio: { by: 'monitor', mode, stdin: subject.container.Config.OpenStdin } };
    }
    const output = outputOf(sys, run.listener, note);
    if (run.stdin === 'terminal')
      return { stdio: { by: 'inherit', fds: [0, ...output.fds], close: output.close } };
    // Not ours: what is typed, or piped, into ts-dock is for the one who steps.
    const nothing = sys.openat2(AT_FDCWD, '/dev/null', O.RDONLY | O.CLOEXEC, 0, 0);
    const close = [nothing, ...output.close];
    return { stdio: { by: 'inherit', fds: [nothing, ...output.fds], close } };
  },
});

interface Output {
  readonly fds: readonly [number, number];
  readonly close: readonly number[];
}

/** Our own, or, where somebody listens, pipes to the listener. */
function outputOf(sys: Kernel, listener: OutputListener | undefined, note: (text: string) => void): Output {
  const streams = listener?.streams ?? [];
  if (listener === undefined || streams.length === 0) return { fds: [1, 2], close: [] };
  const pipeFor = (stream: 1 | 2): number => {
    const [reading, writing] = sys.pipe();
    listener.hear(stream, reading);
    return writing;
  };
  note('the run is recorded: what the program writes goes through ts-dock');
  // Two pipes would lose the order of what both are to write into one file.
  if (streams.length === 2 && isOneFile(sys)) {
    const both = pipeFor(1);
    return { fds: [both, both], close: [both] };
  }
  const fds = [1, 2].map((stream) => (streams.includes(stream as 1 | 2) ? pipeFor(stream as 1 | 2) : stream));
  return { fds: [fds[0] ?? 1, fds[1] ?? 2], close: fds.filter((fd) => fd > 2) };
}

function isOneFile(sys: Kernel): boolean {
  const [out, err] = [sys.fstat(1), sys.fstat(2)];
  return out.dev === err.dev && out.ino === err.ino;
}
