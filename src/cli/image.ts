/** An image that is asked for and not here: the embedded one is made, any other is fetched, as Docker does. */
import { BASE_IMAGE, ensureBaseImage } from '../daemon/base-image.ts';
import { nameIn, nameText, parseReference } from '../daemon/reference.ts';
import { lookupImage } from '../daemon/tags.ts';
import { TsDockError } from '../engine/failure.ts';
import { Breakpoints } from '../engine/pauses.ts';
import { pullFlow } from '../flows/pull.ts';
import type { Cli } from './cli.ts';
import type { PullWhen, Watching } from './options.ts';
import { NO_TRACING, type Tracing } from './tracing.ts';

export interface ImageWish {
  readonly when: PullWhen;
  readonly watching: Watching;
  readonly tracing: Tracing;
  /** Standard input is the container's (`-i`): no commands are read from it. */
  readonly interactive: boolean;
}

const isBase = (reference: string): boolean =>
  reference === BASE_IMAGE || reference === `${BASE_IMAGE}:latest`;

/** The embedded image is made when it is first asked for; what it is made of is said in a line. */
export function ensureImage(cli: Cli, reference: string): void {
  if (!isBase(reference)) return;
  ensureBaseImage(cli.sys, cli.place, (text) => {
    cli.say(text);
  });
}

/** The same, and any other is fetched. False when there is none, which was said; the exit code is set. */
export async function imageOrPull(cli: Cli, reference: string, wish: ImageWish): Promise<boolean> {
  ensureImage(cli, reference);
  if (isBase(reference)) return true;
  const watching = ofPull(wish.watching);
  // Also where nothing is fetched: a misspelt step must not wait for the day that something is.
  new Breakpoints(
    watching.breakpoints,
    false,
    pullFlow.map(({ id }) => id),
  );
  if (wish.when === 'never' || (wish.when === 'missing' && isThere(cli, reference))) return true;
  const name = parseReference(reference);
  if (wish.when === 'missing') cli.say(`Unable to find image '${nameText(nameIn(name))}' locally`);
  // Loaded only now: most runs have their image.
  const { pullImage } = await import('./pull.ts');
  const { settingsOf } = await import('../registry/settings.ts');
  return pullImage(cli, {
    name: reference,
    platform: undefined,
    settings: settingsOf(cli.surroundings.env, []),
    quiet: false,
    interactive: wish.interactive,
    say: (line) => {
      cli.say(line);
    },
    watching,
    tracing: NO_TRACING,
  });
}

const isOfPull = (pattern: string): boolean => pattern.startsWith('pull.');

/** Of what a run is watched for, the part that is about its pull; files are the run's own. */
function ofPull({ breakpoints, failpoints, commandFile, showEnv }: Watching): Watching {
  const own = breakpoints.filter(isOfPull);
  return {
    step: false,
    breakpoints: own,
    failpoints: failpoints.filter(isOfPull),
    dump: undefined,
    trace: false,
    record: undefined,
    commandFile,
    showEnv,
    stops: own.length > 0,
  };
}

/** And the rest. */
export function withoutPull(watching: Watching): Watching {
  const breakpoints = watching.breakpoints.filter((pattern) => !isOfPull(pattern));
  return {
    ...watching,
    breakpoints,
    failpoints: watching.failpoints.filter((pattern) => !isOfPull(pattern)),
    stops: watching.step || breakpoints.length > 0,
  };
}

function isThere(cli: Cli, reference: string): boolean {
  try {
    lookupImage(cli.sys, cli.place, reference);
    return true;
  } catch (error) {
    if (error instanceof TsDockError && error.reason === 'no-such-image') return false;
    throw error;
  }
}
