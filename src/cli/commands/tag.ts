import { Command } from 'commander';
import { recordImageEvent } from '../../daemon/events.ts';
import { nameIn, nameText, parseReference } from '../../daemon/reference.ts';
import { lookupImage, tagImage } from '../../daemon/tags.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { ensureImage } from '../image.ts';

/** `tag SOURCE TARGET`: another name for an image; whatever had that name before loses it. */
export function tagCommand(cli: Cli): Command {
  return new Command('tag')
    .summary('give an image another name')
    .description('Give an image another name. An image that has that name loses it.')
    .helpOption('--help', 'show this help')
    .argument('<source>', 'an image, by name or id')
    .argument('<target>', 'the name that it gets')
    .action(async (source: string, target: string) => {
      const reference = parseReference(target);
      if (reference.digest !== '')
        throw new TsDockError(
          'bad-usage',
          `cannot tag an image as ${JSON.stringify(target)}: it has a digest`,
          {
            means: 'A digest is what a registry computes, and cannot be given.',
          },
        );
      cli.requireRoot();
      await cli.recoverFirst();
      ensureImage(cli, source);
      const name = nameIn(reference);
      const { id } = lookupImage(cli.sys, cli.place, source);
      tagImage(cli.sys, cli.place, name, id);
      recordImageEvent(cli.place, 'tag', id, nameText(name));
    });
}
