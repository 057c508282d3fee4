import { Command } from 'commander';
import { Attachment } from '../../daemon/attachment.ts';
import { findContainer, readStored } from '../../daemon/containers.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { exitCodeOf } from '../../daemon/exit-code.ts';
import { supervisedBy, teardownOver } from '../../daemon/supervision.ts';
import { UNSEEN } from '../../engine/recovery.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { addDetachKeys, detachKeysOf } from '../options.ts';
import { join } from '../terminal/streams.ts';
import { noTerminal } from './run.ts';

/** `attach CONTAINER`: what it says from now on, and what is typed goes to it. */
export function attachCommand(cli: Cli): Command {
  const command = new Command('attach')
    .summary('attach to a running container')
    .description('Show what a container says from now on, and pass on what is typed, until its end.')
    .helpOption('--help', 'show this help')
    .option('--no-stdin', 'only look');
  return addDetachKeys(command)
    .argument('<container>')
    .action(async (wanted: string, options: { stdin: boolean; detachKeys?: string }) => {
      const detachKeys = detachKeysOf(options.detachKeys);
      cli.requireRoot();
      await cli.recoverFirst();
      const { container } = findContainer(cli.sys, cli.place, wanted);
      if (!container.State.Running) throw notRunning(wanted);
      const { Tty: tty, OpenStdin } = container.Config;
      const input = options.stdin && OpenStdin;
      if (tty && input && !process.stdin.isTTY) throw noTerminal();
      const { run } = supervisedBy(cli.sys, cli.place, container);
      const attachment = Attachment.open(cli.sys, cli.place, container.ID, input);
      recordEvent(cli.place, 'attach', subjectOf(container));
      const joined = join(cli, attachment, { tty, input, detachKeys });
      const ended = await joined.over;
      joined.stop();
      attachment.close();
      if (attachment.wasLeft) {
        recordEvent(cli.place, 'detach', subjectOf(container));
        return;
      }
      // Whoever types the next command expects to find it ended.
      await teardownOver(cli.sys, cli.place, run);
      cli.exitCode = ended === undefined ? unseen(cli, container.ID, wanted) : exitCodeOf(ended);
    });
}

/** Its monitor said no more: it was killed, and the container with it. What is known by now stands on disk. */
function unseen(cli: Cli, id: string, wanted: string): number {
  cli.say(`ts-dock: the monitor of ${wanted} was killed, and the container ended with it`);
  const code = readStored(cli.sys, cli.place, id)?.container.State.ExitCode ?? 0;
  return code === 0 ? UNSEEN : code;
}

function notRunning(wanted: string): TsDockError {
  return new TsDockError('no-such-container', `cannot attach to ${wanted}: it does not run`, {
    remedy: '`ts-dock logs` shows what it said.',
  });
}
