import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { findContainer, listContainers } from '../../daemon/containers.ts';
import { notRunning } from '../../daemon/kill.ts';
import { rateOf, sampleOf, type Sample, type Usage } from '../../daemon/stats.ts';
import { supervisedBy } from '../../daemon/supervision.ts';
import type { Cli } from '../cli.ts';
import { addJsonFlag } from '../options.ts';
import { statsTable } from '../render/tables.ts';

/** Between two looks. One look alone knows how much CPU time was used, not how much of it is used now. */
const EVERY_MS = 1000;
const PAIR_MS = 250;

interface Options {
  readonly stream: boolean;
  readonly json?: boolean;
}

/** `stats [CONTAINER...]`: what containers use, again each second. */
export function statsCommand(cli: Cli): Command {
  const command = new Command('stats')
    .summary('show what containers use')
    .description('Show CPU, memory, processes, network and disk of running containers, each second until ^C.')
    .helpOption('--help', 'show this help')
    .option('--no-stream', 'only once')
    .argument('[container...]', 'all that run, if none is given');
  return addJsonFlag(command).action(async (names: string[], options: Options) => {
    cli.requireRoot();
    const ids = names.map((name) => runningId(cli, name));
    let before = look(cli, ids);
    do {
      await pause(options.stream ? EVERY_MS : PAIR_MS);
      const after = look(cli, ids);
      show(cli, usages(before, after), options);
      before = after;
      // Of those that were asked for none is left.
    } while (options.stream && (ids.length === 0 || before.size > 0));
  });
}

function runningId(cli: Cli, name: string): string {
  const { container } = findContainer(cli.sys, cli.place, name);
  const { phase } = supervisedBy(cli.sys, cli.place, container);
  if (phase !== 'running') throw notRunning('measure', name, phase);
  return container.ID;
}

function look(cli: Cli, ids: readonly string[]): Map<string, Sample> {
  const samples = new Map<string, Sample>();
  for (const { container } of listContainers(cli.sys, cli.place)) {
    if (!container.State.Running || (ids.length > 0 && !ids.includes(container.ID))) continue;
    samples.set(container.ID, sampleOf(cli.sys, cli.place, container));
  }
  // What was recorded of these calls would only grow.
  cli.sys.taken();
  return samples;
}

/** Whoever came or went between the two looks is left out. */
function usages(before: ReadonlyMap<string, Sample>, after: ReadonlyMap<string, Sample>): Usage[] {
  return [...after].flatMap(([id, sample]) => {
    const first = before.get(id);
    return first === undefined ? [] : [rateOf(first, sample)];
  });
}

function show(cli: Cli, list: readonly Usage[], { stream, json }: Options): void {
  if (json === true) cli.print(stream ? JSON.stringify(list) : JSON.stringify(list, null, 2));
  else {
    // Home, then clear below: only a person at a terminal wants the old table gone.
    const redraw = stream && process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
    cli.print(redraw + statsTable(list, cli.style()));
  }
}
