import { Command } from 'commander';
import { removeImage } from '../../daemon/image-removal.ts';
import { nameText } from '../../daemon/reference.ts';
import { shortId } from '../../daemon/store.ts';
import { EXIT } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';

/** `rmi IMAGE...`: takes a name away, and with the last one the image and the layers that nothing else stands on. */
export function rmiCommand(cli: Cli): Command {
  return new Command('rmi')
    .summary('remove images')
    .description(
      'Take names of images away; an image goes with its last name, and its layers with the last image.',
    )
    .helpOption('--help', 'show this help')
    .option('-f, --force', 'by its id also an image that has several names')
    .option('--no-prune', 'leave the nameless images that it stands on')
    .argument('<image...>', 'images, by name or id')
    .action(async (wanted: string[], options: { force?: boolean; prune: boolean }) => {
      cli.requireRoot();
      await cli.recoverFirst();
      for (const text of wanted) {
        try {
          remove(cli, text, { force: options.force === true, prune: options.prune });
        } catch (error) {
          cli.showError(error);
          cli.exitCode = EXIT.failed;
        }
      }
    });
}

function remove(cli: Cli, text: string, options: { force: boolean; prune: boolean }): void {
  const { id, untagged, deleted, busy } = removeImage(cli.sys, cli.place, text, options);
  for (const name of untagged) cli.print(`Untagged: ${nameText(name)}`);
  for (const one of deleted) cli.print(`Deleted: sha256:${one}`);
  if (busy.length > 0)
    cli.say(
      `${busy[0] ?? ''} is at work and may count on its layers: the image stays, without a name, until \`ts-dock rmi ${shortId(id)}\``,
    );
}
