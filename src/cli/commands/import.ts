import { Command } from 'commander';
import { recordImageEvent } from '../../daemon/events.ts';
import { applyInstructions } from '../../daemon/instructions.ts';
import { nameIn, nameText, parseReference, type Name } from '../../daemon/reference.ts';
import { TsDockError } from '../../engine/failure.ts';
import { importFlow } from '../../flows/load.ts';
import { ownPlatform, parsePlatform } from '../../registry/platform.ts';
import { addBudgetFlag, budgetsOf, type BudgetOptions } from '../budgets.ts';
import type { Cli } from '../cli.ts';
import { sourceOf } from '../image-source.ts';
import { addDebuggerFlags, all, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

interface ImportOptions extends DebuggerOptions, BudgetOptions {
  readonly change?: readonly string[];
  readonly message?: string;
  readonly platform?: string;
  readonly quiet?: boolean;
}

/** `import FILE|- [REPOSITORY[:TAG]]`: an image of one layer, out of the archive of a root file system. */
export function importCommand(cli: Cli): Command {
  const command = new Command('import')
    .summary('make an image of the archive of a root')
    .description('Make an image of an archive that is the root of a system, and print its id.')
    .helpOption('--help', 'show this help')
    .option('-c, --change <instruction>', 'an instruction of a Dockerfile for the image (repeatable)', all)
    .option('-m, --message <text>', 'what the history of the image says of this')
    .option('-q, --quiet', 'do not show how far it is')
    .option('--platform <os/arch>', 'the machine that it was made for; without it, one like this');
  return addDebuggerFlags(addBudgetFlag(command))
    .argument('<file>', 'a tar archive, compressed or not; - is standard input')
    .argument('[repository:tag]')
    .action(async (file: string, text: string | undefined, options: ImportOptions) => {
      const { change: changes = [], message = '' } = options;
      const name = text === undefined ? null : nameOf(text);
      const platform = options.platform === undefined ? ownPlatform() : parsePlatform(options.platform);
      // What cannot be done is said before the archive is read.
      applyInstructions({ config: {} }, changes);
      if (/^(https?|ftp):\/\//.test(file)) throw noAddress(file);
      const imageSource = sourceOf(file === '-' ? undefined : file, 'Say which: ts-dock import FILE');
      const budgets = budgetsOf(options);
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      cli.requireRoot();
      const { values } = await walk(cli, {
        command: 'import',
        steps: importFlow,
        initial: { imageSource, budgets, importRequest: { name, changes, message, platform } },
        rm: false,
        interactive: file === '-',
        quiet: options.quiet === true,
        watching,
        tracing,
      });
      if (cli.exitCode !== 0 || values.imagesTagged === undefined) return;
      for (const {
        id,
        names: [first],
      } of values.registeredImages ?? []) {
        recordImageEvent(cli.place, 'import', id, first === undefined ? '' : nameText(first));
        cli.print(`sha256:${id}`);
      }
    });
}

function nameOf(text: string): Name {
  const reference = parseReference(text);
  if (reference.digest === '') return nameIn(reference);
  throw new TsDockError('bad-usage', `cannot name an image ${JSON.stringify(text)}: that is a digest`, {
    means: 'What the digest will be is not for whoever names it to say.',
    remedy: 'Give it a tag: REPOSITORY:TAG.',
  });
}

function noAddress(file: string): TsDockError {
  return new TsDockError('bad-usage', `cannot import ${JSON.stringify(file)}: it is an address`, {
    means: 'ts-dock fetches nothing but images from registries.',
    remedy: `curl -L ${file} | ts-dock import -`,
  });
}
