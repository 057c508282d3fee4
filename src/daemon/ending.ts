/** How a container's end is learned: from the kernel, by its parent; from its monitor; or from what the monitor wrote down. */
import { TsDockError } from '../engine/failure.ts';
import type { EndedAt, Ending } from '../flows/values.ts';
import { now } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Attachment } from './attachment.ts';
import type { Monitor } from './monitor.ts';

interface Child {
  readonly pid: number;
  readonly pidfd: number;
}

export function endingOf(
  sys: Kernel,
  child: Child,
  monitor: Monitor | null,
  attachment: Attachment | null,
): Ending {
  return {
    wait: async () => {
      const ended = monitor === null ? await reap(sys, child) : await toldBy(monitor, attachment);
      sys.close(child.pidfd);
      return ended;
    },
  };
}

/** An end that is over already. */
export function endingThatWas(ended: EndedAt): Ending {
  return { wait: () => Promise.resolve(ended) };
}

async function reap(sys: Kernel, { pidfd }: Child): Promise<EndedAt> {
  await sys.readable(pidfd);
  const at = now();
  const ended = sys.waitPidfd(pidfd);
  if (ended === null) throw new TsDockError('init-died', 'the program ended and cannot be waited for');
  return { ended, at };
}

async function toldBy(monitor: Monitor, attachment: Attachment | null): Promise<EndedAt> {
  const ended = monitor.ended();
  if (attachment === null) return ended;
  const left = attachment.detached.then(() => {
    throw new TsDockError('detached', 'you left, and the container goes on');
  });
  return Promise.race([ended, left]);
}
