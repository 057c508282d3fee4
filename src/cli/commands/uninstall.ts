import { Command } from 'commander';
import { compensationText } from '../../engine/compensation.ts';
import type { Undone } from '../../engine/frontend.ts';
import { uninstall } from '../../engine/uninstall.ts';
import type { Cli } from '../cli.ts';
import { clean } from '../render/text.ts';

/** `uninstall`: the host and its disk as if ts-dock had never run. */
export function uninstallCommand(cli: Cli): Command {
  return new Command('uninstall')
    .summary('remove all that ts-dock made on this host')
    .description(
      'Remove every container and image, what the host keeps for them, and the root folder itself.',
    )
    .helpOption('--help', 'show this help')
    .option('--force', 'end what runs')
    .action(async (options: { force?: boolean }) => {
      await removeAll(cli, options.force === true);
    });
}

/** Also `host down --all`. */
export async function removeAll(cli: Cli, force: boolean): Promise<void> {
  cli.requireRights();
  const { sys, place } = cli;
  const done = await uninstall({
    sys,
    place,
    force,
    undone: (undone) => {
      cli.print(undoneText(undone));
    },
    say: (text) => {
      cli.print(clean(text));
    },
  });
  if (done) return;
  cli.say('ts-dock: not all could be undone, so the root folder stays: it says what is left. Try again.');
  cli.exitCode = 1;
}

export function undoneText({ compensation, ok, error }: Undone): string {
  return clean(`${ok ? 'undone' : 'FAILED'}   ${compensationText(compensation)}${ok ? '' : `: ${error}`}`);
}
