import { Command } from 'commander';
import { changesOf } from '../../daemon/changes.ts';
import { findContainer, noSuchContainer } from '../../daemon/containers.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { clean } from '../render/text.ts';

/** `diff CONTAINER`: what it has changed in its image. */
export function diffCommand(cli: Cli): Command {
  const command = new Command('diff')
    .summary('show what a container has changed')
    .description('Show what a container has added (A), changed (C) and deleted (D) in its image.')
    .helpOption('--help', 'show this help');
  return addJsonFlag(command)
    .argument('<container>')
    .action(async (wanted: string, { json }: { json?: boolean }) => {
      if (!(await cli.rootIsTrue())) throw noSuchContainer(wanted);
      const { container } = findContainer(cli.sys, cli.place, wanted);
      const changes = changesOf(cli.sys, cli.place, container);
      if (json === true) cli.print(JSON.stringify(changes, null, 2));
      // Names are the container's own choice: what would move a terminal's cursor is not passed on.
      else cli.print(changes.map(({ kind, path }) => `${kind} ${clean(path)}`).join('\n'));
    });
}
