import { join } from 'node:path';
import { Attachment } from '../../daemon/attachment.ts';
import { containerFolder } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { Monitor } from '../../daemon/monitor.ts';
import { passedOn } from '../../daemon/passed-on.ts';
import { step } from '../../engine/step.ts';
import { startTimeOf } from '../../kernel/append.ts';

export const monitor = step({
  id: 'launch.monitor',
  title: 'Start a monitor that outlives ts-dock',
  actor: 'daemon',
  then: { symbol: 'containerMonitor.Start', file: 'daemon/monitor.go:99' },
  now: { where: 'containerd-shim-runc-v2; conmon src/conmon.c' },
  needs: ['subject', 'bundle', 'stdio'],
  gives: ['monitor', 'attachment'],
  observe: ['process'],
  async run({ subject: { container }, bundle, stdio }, { sys, place, run, alsoUndo }) {
    if (stdio.by !== 'monitor') throw new Error('a monitor without streams');
    const monitor = Monitor.start(sys);
    const startTime = startTimeOf(monitor.pid) ?? '';
    alsoUndo({ lifetime: 'transient', kind: 'kill-process', pid: monitor.pid, startTime });
    await monitor.supervise({
      lock: join(place.journal, 'open', run.id),
      folder: bundle,
      log: join(containerFolder(place, container.ID), `${container.ID}-json.log`),
      mode: stdio.mode,
      stdin: stdio.stdin,
      teardown: [...run.self, 'supervise', run.id],
      env: Object.entries(passedOn(process.env)).map(([name, value]) => `${name}=${value}`),
    });
    // Before there is anything to hear, so that not a byte is missed.
    const attachment = run.attached ? Attachment.open(sys, place, container.ID, stdio.stdin) : null;
    if (attachment !== null) recordEvent(place, 'attach', subjectOf(container));
    return { monitor, attachment };
  },
});
