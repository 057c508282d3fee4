import { Command } from 'commander';
import { listImages, type ListedImage, type Selection } from '../../daemon/inspect.ts';
import { nameIn, parseReference } from '../../daemon/reference.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { filtersOf } from '../filters.ts';
import { addJsonFlag, all } from '../options.ts';
import { imagesTable } from '../render/tables.ts';

interface Options {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly trunc: boolean;
  readonly digests?: boolean;
  readonly filter?: readonly string[];
  readonly json?: boolean;
}

/** `images`: what there is to run. */
export function imagesCommand(cli: Cli): Command {
  const command = new Command('images')
    .summary('list images')
    .description('List the images of this root.')
    .helpOption('--help', 'show this help')
    .option('-a, --all', 'the layers in between as well')
    .option('-q, --quiet', 'only their ids')
    .option('--no-trunc', 'ids in full')
    .option('--digests', 'by which digests they were pulled')
    .option('-f, --filter <key=value>', 'only these: dangling=true, dangling=false', all);
  return addJsonFlag(command.argument('[name]', 'only this repository, or this tag of it')).action(
    (name: string | undefined, options: Options) => {
      const selection = selectionOf(options);
      const isMeant = meant(name);
      const images = (
        cli.rootIsThere()
          ? listImages(cli.sys, cli.place, selection, (text) => {
              cli.say(text);
            })
          : []
      ).filter(isMeant);
      const whole = !options.trunc;
      if (options.json === true) cli.print(JSON.stringify(images, null, 2));
      else if (options.quiet === true)
        cli.print(
          [...new Set(images.map(({ id }) => (whole ? `sha256:${id}` : id.slice(0, 12))))].join('\n'),
        );
      else cli.print(imagesTable(images, { whole, digests: options.digests === true }, cli.style()));
    },
  );
}

function meant(name: string | undefined): (line: ListedImage) => boolean {
  if (name === undefined) return () => true;
  const wanted = parseReference(name);
  const { repository } = nameIn(wanted);
  return (line) =>
    line.repository === repository &&
    (wanted.tag === '' || line.tag === wanted.tag) &&
    (wanted.digest === '' || line.digests.includes(wanted.digest));
}

function selectionOf(options: Options): Selection {
  const [wanted, ...others] = new Set(filtersOf(options.filter ?? [], ['dangling']).get('dangling') ?? []);
  for (const value of wanted === undefined ? [] : [wanted, ...others])
    if (value !== 'true' && value !== 'false')
      throw new TsDockError('bad-usage', `dangling is true or false, not ${JSON.stringify(value)}`);
  if (wanted !== undefined && others.length === 0) return wanted === 'true' ? 'dangling' : 'named';
  return options.all === true ? 'all' : 'usual';
}
