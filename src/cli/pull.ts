/** A pull, as `pull` and `run` do it: walks the flow, says what Docker says, and tidies up what only a pull that failed needs. */
import { recordImageEvent } from '../daemon/events.ts';
import type { Outcome } from '../engine/session.ts';
import { pullFlow } from '../flows/pull.ts';
import { nameIn, nameText } from '../daemon/reference.ts';
import type { Platform } from '../registry/platform.ts';
import type { RegistrySettings } from '../registry/settings.ts';
import type { Cli } from './cli.ts';
import { walk, type Walk } from './walk.ts';

export interface PullWish extends Pick<Walk, 'watching' | 'tracing' | 'interactive'> {
  readonly name: string;
  readonly platform: Platform | undefined;
  readonly settings: RegistrySettings;
  /** `-q`: the name alone is said. */
  readonly quiet: boolean;
  /** Where what is said goes to. */
  readonly say: (line: string) => void;
}

/** True when the image is there; else what was wrong is said, and the exit code is set. */
export async function pullImage(cli: Cli, wish: PullWish): Promise<boolean> {
  const { name, platform, settings, quiet, interactive, watching, tracing } = wish;
  const tell = quiet ? (): void => undefined : wish.say;
  const outcome = await walk(cli, {
    command: 'pull',
    steps: pullFlow,
    initial: { pullRequest: { name, platform, settings, say: tell } },
    rm: false,
    interactive,
    quiet,
    watching,
    tracing,
  });
  close(outcome);
  const { pulled, imageName } = outcome.values;
  if (
    outcome.error !== undefined ||
    outcome.exitCode !== 0 ||
    pulled === undefined ||
    imageName === undefined
  )
    return false;
  const short = nameText(nameIn(imageName));
  recordImageEvent(cli.place, 'pull', pulled.id, short);
  tell(`Digest: ${pulled.digest}`);
  tell(
    `Status: ${pulled.newer ? `Downloaded newer image for ${short}` : `Image is up to date for ${short}`}`,
  );
  wish.say(pulled.name);
  return true;
}

/**
 * Only now, after what a failure undoes is undone, may the next pull have its turn. After a success nobody needs the
 * downloads any more; after a failure they are where the next one goes on.
 */
function close({ values, error }: Outcome): void {
  const { registry, claims, layerPlan, pulled } = values;
  registry?.close();
  if (error === undefined && pulled !== undefined)
    for (const { blob } of layerPlan ?? []) claims?.drop(blob.digest.slice('sha256:'.length));
  claims?.letAllGo();
}
