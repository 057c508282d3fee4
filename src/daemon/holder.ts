/** Somebody to hold a terminal's master when ts-dock leaves: without a holder the terminal hangs up, and its program ends. */
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { initCopyOf } from './dockerinit.ts';
import type { Place } from './place.ts';

/** Resolves when the holder has it. The holder reads what is written and drops it, and ends with the terminal. */
export async function holdTerminal(sys: Kernel, place: Place, master: number): Promise<void> {
  const exe = sys.openat2(AT_FDCWD, initCopyOf(sys, place).copy, O.RDONLY | O.CLOEXEC | O.NOFOLLOW, 0, 0);
  const nothing = sys.openat2(AT_FDCWD, '/dev/null', O.RDWR | O.CLOEXEC, 0, 0);
  const [here, there] = sys.socketpair();
  try {
    sys.clone({
      exe,
      argv: ['hold'],
      env: [],
      flags: 0,
      cwd: '/',
      fds: [nothing, nothing, nothing, there, master],
    });
    sys.close(there);
    // A byte, or the end of file of one that died: either way there is nothing more to wait for.
    await sys.readable(here);
  } finally {
    for (const fd of [exe, nothing, here]) sys.close(fd);
  }
}
