import { Command } from 'commander';
import { TsDockError } from '../../engine/failure.ts';
import { copyFlow } from '../../flows/cp.ts';
import type { Cli } from '../cli.ts';
import { addDebuggerFlags, watchingOf, type DebuggerOptions } from '../options.ts';
import { fileOutput, tarOutput } from '../terminal/tar-streams.ts';
import { tracingOf } from '../tracing.ts';
import { walk } from '../walk.ts';

/** `export CONTAINER`: its whole root as a tar archive, which `import` takes. */
export function exportCommand(cli: Cli): Command {
  const command = new Command('export')
    .summary("write a container's whole root as a tar archive")
    .description("Write a container's whole root, without its volumes, as a tar archive.")
    .helpOption('--help', 'show this help')
    .option('-o, --output <file>', 'to this file, instead of standard output');
  return addDebuggerFlags(command)
    .argument('<container>')
    .action(async (wanted: string, options: DebuggerOptions & { output?: string }) => {
      const watching = watchingOf(options);
      const tracing = tracingOf(options, cli.surroundings.env);
      if (options.output === undefined && process.stdout.isTTY)
        throw new TsDockError('bad-usage', 'cannot write a tar archive to a terminal', {
          remedy: 'Name a file with -o, or send standard output to one.',
        });
      cli.requireRoot();
      const file = options.output === undefined ? undefined : fileOutput(cli, options.output);
      try {
        const { values, error } = await walk(cli, {
          command: 'export',
          steps: copyFlow,
          initial: {
            wanted,
            copyRequest: {
              what: 'layers',
              direction: 'out',
              inside: '/',
              here: null,
              archive: true,
              followLinks: false,
              uid: 0,
              gid: 0,
            },
            copyStream: file ?? tarOutput(cli),
          },
          rm: false,
          interactive: false,
          watching,
          tracing,
        });
        if (error === undefined && values.copied !== undefined) file?.keep();
      } finally {
        file?.close();
      }
    });
}
