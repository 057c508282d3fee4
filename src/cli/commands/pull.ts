import { Command } from 'commander';
import { parsePlatform } from '../../registry/platform.ts';
import { settingsOf } from '../../registry/settings.ts';
import type { Cli } from '../cli.ts';
import { addDebuggerFlags, addInsecureFlag, watchingOf, type DebuggerOptions } from '../options.ts';
import { pullImage } from '../pull.ts';
import { tracingOf } from '../tracing.ts';

interface PullOptions extends DebuggerOptions {
  readonly quiet?: boolean;
  readonly platform?: string;
  readonly insecureRegistry?: readonly string[];
}

/** `pull NAME[:TAG|@DIGEST]`: fetches an image from a registry. */
export function pullCommand(cli: Cli): Command {
  const command = new Command('pull')
    .summary('fetch an image from a registry')
    .description('Fetch an image from a registry, verify it, and give it its name here.')
    .helpOption('--help', 'show this help')
    .option('-q, --quiet', 'only its name')
    .option('--platform <os/arch>', 'of several the one for this: linux/arm64, linux/arm/v7');
  addDebuggerFlags(addInsecureFlag(command));
  return command.argument('<name>').action(async (name: string, options: PullOptions) => {
    const platform = options.platform === undefined ? undefined : parsePlatform(options.platform);
    const settings = settingsOf(cli.surroundings.env, options.insecureRegistry ?? []);
    const watching = watchingOf(options);
    const tracing = tracingOf(options, cli.surroundings.env);
    cli.requireRoot();
    await pullImage(cli, {
      name,
      platform,
      settings,
      quiet: options.quiet === true,
      say: (line) => {
        cli.print(line);
      },
      interactive: false,
      watching,
      tracing,
    });
  });
}
