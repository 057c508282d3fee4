import { Command } from 'commander';
import { listImages } from '../../daemon/inspect.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { imagesTable } from '../render/tables.ts';

/** `images`: what there is to run. */
export function imagesCommand(cli: Cli): Command {
  const command = new Command('images')
    .summary('list images')
    .description('List the images of this root.')
    .helpOption('--help', 'show this help')
    .option('-a, --all', 'the layers in between as well')
    .option('-q, --quiet', 'only their ids');
  return addJsonFlag(command).action((options: { all?: boolean; quiet?: boolean; json?: boolean }) => {
    const images = cli.rootIsThere() ? listImages(cli.sys, cli.place, options.all === true) : [];
    if (options.json === true) cli.print(JSON.stringify(images, null, 2));
    else if (options.quiet === true)
      cli.print([...new Set(images.map(({ id }) => id.slice(0, 12)))].join('\n'));
    else cli.print(imagesTable(images, cli.style()));
  });
}
