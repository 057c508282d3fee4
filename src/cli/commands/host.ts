import { Command } from 'commander';
import { compensationText } from '../../engine/compensation.ts';
import { HostLedger } from '../../engine/host-journal.ts';
import { openRuns } from '../../engine/journal.ts';
import { TsDockError } from '../../engine/failure.ts';
import { unwind } from '../../engine/undo.ts';
import { forgetFirewall } from '../../daemon/firewall.ts';
import { hostFlow } from '../../flows/host.ts';
import type { Cli } from '../cli.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

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
    .helpOption('--help', 'show this help');
  down.action(async () => {
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
  const ledger = new HostLedger(cli.sys, cli.place);
  const story = ledger.story();
  if (story.pending.length === 0) return;
  const journal = ledger.journal(story);
  const failed = await unwind(
    { sys: cli.sys, place: cli.place, ended: false },
    story.pending,
    journal,
    ({ compensation, ok, error }) => {
      cli.print(`${ok ? 'undone' : 'FAILED'}  ${compensationText(compensation)}${ok ? '' : `: ${error}`}`);
    },
  );
  journal.leave();
  forgetFirewall(cli.sys, cli.place);
  if (failed.length === 0) ledger.clear();
  else cli.exitCode = 1;
}
