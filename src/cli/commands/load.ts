import { Command } from 'commander';
import { recordImageEvent } from '../../daemon/events.ts';
import { nameText } from '../../daemon/reference.ts';
import { loadFlow } from '../../flows/load.ts';
import { parsePlatform } from '../../registry/platform.ts';
import { addBudgetFlag, budgetsOf, type BudgetOptions } from '../budgets.ts';
import type { Cli } from '../cli.ts';
import { sourceOf } from '../image-source.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

interface LoadOptions extends DebuggerOptions, BudgetOptions {
  readonly input?: string;
  readonly quiet?: boolean;
  readonly platform?: string;
}

/** `load [-i FILE|FOLDER]`: images out of what `docker save` and other tools write. */
export function loadCommand(cli: Cli): Command {
  const command = new Command('load')
    .summary('load images from an archive or a folder')
    .description('Load images from a `docker save` archive or an OCI image layout.')
    .helpOption('--help', 'show this help')
    .option('-i, --input <file>', 'an archive or a folder; without it, standard input')
    .option('-q, --quiet', 'do not show how far it is')
    .option('--platform <os/arch>', 'of several for different machines, the one for this');
  return addDebuggerFlags(addBudgetFlag(command)).action(async (options: LoadOptions) => {
    const platform = options.platform === undefined ? null : parsePlatform(options.platform);
    const imageSource = sourceOf(options.input, 'Say which: ts-dock load -i FILE');
    const budgets = budgetsOf(options);
    const watching = watchingOf(options);
    const tracing = tracingOf(options, cli.surroundings.env);
    cli.requireRoot();
    const { values } = await walk(cli, {
      command: 'load',
      steps: loadFlow,
      initial: { imageSource, budgets, platform },
      rm: false,
      interactive: options.input === undefined,
      quiet: options.quiet === true,
      watching,
      tracing,
    });
    if (cli.exitCode !== 0 || values.imagesTagged === undefined) return;
    for (const { id, names } of values.registeredImages ?? []) {
      recordImageEvent(cli.place, 'load', id, names[0] === undefined ? '' : nameText(names[0]));
      if (names.length === 0) cli.print(`Loaded image ID: sha256:${id}`);
      for (const name of names) cli.print(`Loaded image: ${nameText(name)}`);
    }
  });
}
