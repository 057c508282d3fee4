import { Command } from 'commander';
import { followEvents } from '../../daemon/event-follower.ts';
import { ACTIONS, kindOf, readEvents, type ContainerEvent } from '../../daemon/events.ts';
import { alarm } from '../../daemon/supervision.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Cli } from '../cli.ts';
import { filtersOf, fits } from '../filters.ts';
import * as value from '../option-values.ts';
import { addJsonFlag, all } from '../options.ts';
import { eventLine } from '../render/events.ts';

/** A timer of Node's cannot be set further ahead: some three weeks. */
const MOST_SECONDS = 2_000_000;

const RULES: Readonly<Record<string, (event: ContainerEvent, value: string) => boolean>> = {
  event: ({ action }, wanted) => action === wanted,
  container: ({ action, id, name }, wanted) =>
    kindOf(action) === 'container' && (name === wanted.replace(/^\//, '') || id.startsWith(wanted)),
  image: ({ action, id, image }, wanted) =>
    image === wanted ||
    image.startsWith(`${wanted}:`) ||
    (kindOf(action) === 'image' && id.startsWith(wanted)),
  type: ({ action }, wanted) => kindOf(action) === wanted,
};

interface Options {
  readonly since?: string;
  readonly until?: string;
  readonly filter?: readonly string[];
  readonly json?: boolean;
}

/** `events`: what happened to containers and images, and what happens from now on until ^C or --until. */
export function eventsCommand(cli: Cli): Command {
  const command = new Command('events')
    .summary('show what happens to containers and images')
    .description('Show what happens to containers and images, one event a line, until ^C.')
    .helpOption('--help', 'show this help')
    .option('--since <time>', 'begin with what happened since: 10m, 2026-11-24T18:00:00Z, 1795544017')
    .option('--until <time>', 'end then; with a time that is over, nothing is waited for')
    .option('-f, --filter <key=value>', 'only these: event=, container=, image=, type= (repeatable)', all);
  return addJsonFlag(command).action(async (options: Options) => {
    const now = Date.now();
    const since = options.since === undefined ? undefined : value.moment('--since', options.since, now);
    const until = options.until === undefined ? Infinity : value.moment('--until', options.until, now);
    const filters = filtersOf(options.filter ?? [], Object.keys(RULES));
    for (const action of filters.get('event') ?? []) checkAction(action);
    cli.requireRoot();
    const say = (event: ContainerEvent): void => {
      if (event.time <= until && fits(filters, RULES, event))
        cli.print(options.json === true ? JSON.stringify(event) : eventLine(event));
    };
    const { rings, stop } = alarm(
      until === Infinity ? -1 : Math.min(MOST_SECONDS, Math.max(0, until - now) / 1000),
    );
    // The past is read when the future is watched already: nothing falls between the two.
    const following = until > now ? followEvents(cli.sys, cli.place, say, rings) : rings;
    if (since !== undefined)
      for (const event of readEvents(cli.sys, cli.place)) if (event.time >= since) say(event);
    await following;
    stop();
  });
}

function checkAction(action: string): void {
  if (!(ACTIONS as readonly string[]).includes(action))
    throw new TsDockError('bad-usage', `there is no event ${JSON.stringify(action)}`, {
      remedy: `There are ${ACTIONS.join(', ')}.`,
    });
}
