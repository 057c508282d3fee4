import { Command } from 'commander';
import { diagnose } from '../../doctor/doctor.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { doctorText } from '../render/doctor.ts';
import { VERSION } from '../version.ts';

/** `doctor`: what this machine has of what containers need. Exit code 0 when they can run, else 1. */
export function doctorCommand(cli: Cli): Command {
  const command = new Command('doctor')
    .summary('look whether containers can run here')
    .description('Look at this machine: what containers need, what will differ, what ts-dock would touch.')
    .helpOption('--help', 'show this help')
    .option('--summary', 'only the one line for a bug report');
  return addJsonFlag(command).action(async (options: { json?: boolean; summary?: boolean }) => {
    const isRoot = process.getuid?.() === 0;
    const diagnosis = await diagnose({ sys: cli.sys, place: cli.place, isRoot, version: VERSION });
    if (options.json === true) cli.print(JSON.stringify(diagnosis, null, 2));
    else if (options.summary === true) cli.print(diagnosis.summary);
    else cli.print(doctorText(diagnosis, cli.style()));
    if (!diagnosis.runs) cli.exitCode = 1;
  });
}
