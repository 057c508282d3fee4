import { Command } from 'commander';
import { containerById, isRegistered, readStored, resolveContainer } from '../../daemon/containers.ts';
import { endContainer } from '../../daemon/kill.ts';
import { supervisedBy } from '../../daemon/supervision.ts';
import { TsDockError } from '../../engine/failure.ts';
import { removeWithContainer } from '../../engine/recovery.ts';
import type { Cli } from '../cli.ts';
import { forEach } from '../each.ts';

/** `rm [-f] CONTAINER...`: undoes what belongs to containers that have ended; with -f ends them first. */
export function rmCommand(cli: Cli): Command {
  return new Command('rm')
    .summary('remove containers')
    .description('Remove containers that do not run: their layers, their files, their names.')
    .helpOption('--help', 'show this help')
    .option('-f, --force', 'kill those that run')
    .argument('<container...>')
    .action(async (wanted: string[], options: { force?: boolean }) => {
      cli.requireRoot();
      await cli.recoverFirst();
      await forEach(cli, wanted, (name) => remove(cli, name, options.force === true));
    });
}

async function remove(cli: Cli, reference: string, force: boolean): Promise<void> {
  const { sys, place } = cli;
  const id = resolveContainer(sys, place, reference);
  if (!isDamaged(cli, id)) {
    const container = containerById(sys, place, id);
    const { phase } = supervisedBy(sys, place, container);
    if (!force && (phase === 'running' || phase === 'starting' || phase === 'restarting'))
      throw inUse(reference, container.State.Paused, phase);
    // What has just ended is still being taken down: two that undo at once would get in each other's way.
    await endContainer(sys, place, container);
    if (!isRegistered(sys, place, id)) return;
  }
  const failed = await removeWithContainer(sys, place, id, () => undefined);
  const [first] = failed;
  if (first !== undefined)
    throw new TsDockError('still-running', `cannot remove all of ${reference}: ${first.error}`, {
      remedy: 'Try again; `ts-dock recover` goes on with what is left.',
    });
}

/** A container whose files cannot be read can be removed all the same: the journals say what belongs to it. */
function isDamaged(cli: Cli, id: string): boolean {
  try {
    readStored(cli.sys, cli.place, id);
    return false;
  } catch (error) {
    if (error instanceof TsDockError && error.reason === 'bad-config') return true;
    throw error;
  }
}

function inUse(
  reference: string,
  paused: boolean,
  phase: 'running' | 'starting' | 'restarting',
): TsDockError {
  const state = { starting: 'it is being started', restarting: 'it is being started again' };
  return new TsDockError(
    'still-running',
    `cannot remove ${reference}: ${phase === 'running' ? (paused ? 'it is paused' : 'it is running') : state[phase]}`,
    {
      means: 'Its filesystem is mounted and its process uses it.',
      remedy: `End it first with \`ts-dock stop ${reference}\`, or remove it with \`ts-dock rm -f ${reference}\`.`,
    },
  );
}
