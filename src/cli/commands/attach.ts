import { Command } from 'commander';
import { Attachment } from '../../daemon/attachment.ts';
import { findContainer } from '../../daemon/containers.ts';
import { exitCodeOf } from '../../daemon/exit-code.ts';
import { supervisedBy, teardownOver } from '../../daemon/supervision.ts';
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
      const joined = join(cli, attachment, { tty, input, detachKeys });
      const ended = await joined.over;
      joined.stop();
      attachment.close();
      if (ended === undefined) return;
      cli.exitCode = exitCodeOf(ended);
      // Whoever types the next command expects to find it ended.
      await teardownOver(cli.sys, cli.place, run);
    });
}

function notRunning(wanted: string): TsDockError {
  return new TsDockError('no-such-container', `cannot attach to ${wanted}: it does not run`, {
    remedy: '`ts-dock logs` shows what it said.',
  });
}
