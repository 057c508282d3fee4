import { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { VERSION } from '../version.ts';

/** `version`: ts-dock's, and of what it stands on. */
export function versionCommand(cli: Cli): Command {
  const command = new Command('version')
    .summary('show versions')
    .description('Show the version of ts-dock and of what it stands on.')
    .helpOption('--help', 'show this help');
  return addJsonFlag(command).action((options: { json?: boolean }) => {
    const facts = {
      'ts-dock': VERSION,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      're-enacts': 'Docker 1.2.0',
    };
    cli.print(
      options.json === true
        ? JSON.stringify(facts, null, 2)
        : Object.entries(facts)
            .map(([name, value]) => `${name.padEnd(10)} ${value}`)
            .join('\n'),
    );
  });
}
