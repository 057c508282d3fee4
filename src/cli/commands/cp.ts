import { Command } from 'commander';
import { TsDockError } from '../../engine/failure.ts';
import { copyFlow } from '../../flows/cp.ts';
import type { Cli } from '../cli.ts';
import { copyWords } from '../copy-paths.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { bytesText } from '../render/units.ts';
import { tarInput, tarOutput } from '../terminal/tar-streams.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

interface CopyOptions extends DebuggerOptions {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly quiet?: boolean;
}

/** `cp CONTAINER:PATH DEST|-` and `cp SRC|- CONTAINER:PATH`. */
export function cpCommand(cli: Cli): Command {
  const command = new Command('cp')
    .summary('copy files between a container and this host')
    .description('Copy files or folders between a container, running or not, and this host.')
    .helpOption('--help', 'show this help')
    .usage('[options] CONTAINER:PATH DEST|-\n       ts-dock cp [options] SRC|- CONTAINER:PATH')
    .option('-a, --archive', 'keep the owners, instead of root inside and you outside')
    .option('-L, --follow-link', 'copy what a link as the source leads to, instead of the link')
    .option('-q, --quiet', 'do not say how much was copied');
  return addDebuggerFlags(command)
    .argument('<source>', 'CONTAINER:PATH, a path of this host, or - for a tar archive on standard input')
    .argument('<target>', 'a path of this host, - for a tar archive on standard output, or CONTAINER:PATH')
    .action(async (from: string, to: string, options: CopyOptions) => {
      const { container, ...paths } = copyWords(from, to, process.cwd());
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      const piped = paths.here === null;
      if (piped && paths.direction === 'out' && process.stdout.isTTY)
        throw new TsDockError('bad-usage', 'cannot write a tar archive to a terminal', {
          remedy: 'Send standard output to a file or a pipe.',
        });
      cli.requireRoot();
      const { values, error } = await walk(cli, {
        command: 'cp',
        steps: copyFlow,
        initial: {
          wanted: container,
          copyRequest: {
            ...paths,
            what: 'path',
            archive: options.archive === true,
            followLinks: options.followLink === true,
            uid: process.getuid?.() ?? 0,
            gid: process.getgid?.() ?? 0,
          },
          copyStream: piped && paths.direction === 'in' ? tarInput() : tarOutput(cli),
        },
        rm: false,
        // An archive on standard input is no commands for the stepper.
        interactive: piped && paths.direction === 'in',
        watching,
        tracing,
      });
      if (error === undefined && values.copied !== undefined && options.quiet !== true && !piped)
        cli.say(`Successfully copied ${bytesText(values.copied.bytes)} to ${to}`);
    });
}
