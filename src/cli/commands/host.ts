import { Command } from 'commander';
import { openRuns } from '../../engine/journal.ts';
import { TsDockError } from '../../engine/failure.ts';
import { hostDown } from '../../engine/uninstall.ts';
import { forgetFirewall } from '../../daemon/firewall.ts';
import { hostFlow } from '../../flows/host.ts';
import type { Cli } from '../cli.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';
import { removeAll, undoneText } from './uninstall.ts';

/** `host up|down`: what all containers share on this host. */
export function hostCommand(cli: Cli): Command {
  const up = new Command('up')
    .summary('make the bridge, NAT and cgroups')
    .description('Make or repair what containers share: bridge, forwarding, NAT base, cgroups.')
    .helpOption('--help', 'show this help');
  addDebuggerFlags(up).action(async (options: DebuggerOptions) => {
    const watching = watchingOf(options);
    const tracing = tracingOf(options, cli.surroundings.env);
    cli.requireRoot();
    await cli.recoverFirst();
    forgetFirewall(cli.sys, cli.place);
    await walk(cli, {
      command: 'host up',
      steps: hostFlow,
      initial: {},
      rm: false,
      interactive: false,
      watching,
      tracing,
    });
  });
  const down = new Command('down')
    .summary('undo what host up made')
    .description('Undo all that ts-dock changed on this host. No container may run.')
    .helpOption('--help', 'show this help')
    .option('--all', 'remove containers, images and the root folder as well, as uninstall does')
    .option('--force', 'with --all: end what runs');
  down.action(async (options: { all?: boolean; force?: boolean }) => {
    if (options.all === true) {
      await removeAll(cli, options.force === true);
      return;
    }
    if (options.force === true)
      throw new TsDockError('bad-usage', '--force is for `host down --all`: without --all nothing is ended');
    cli.requireRoot();
    await cli.recoverFirst();
    await takeDown(cli);
  });
  return new Command('host')
    .summary('set up or take down what containers share')
    .description('What all containers share on this host.')
    .helpOption('--help', 'show this help')
    .addCommand(up.exitOverride())
    .addCommand(down.exitOverride());
}

async function takeDown(cli: Cli): Promise<void> {
  const running = openRuns(cli.sys, cli.place.journal);
  if (running.length > 0) {
    throw new TsDockError(
      'still-running',
      `cannot take the host down: ${running.length.toString()} of its runs still go on`,
      {
        means: 'Their containers use the bridge and the cgroups.',
        remedy: 'End them first; `ts-dock ps` shows them.',
      },
    );
  }
  const failed = await hostDown(cli.sys, cli.place, (undone) => {
    cli.print(undoneText(undone));
  });
  if (failed.length > 0) cli.exitCode = 1;
}
