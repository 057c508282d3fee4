/** What a container has written, as a layer; and what it was, as the configuration of the image on top of it. */
import { DEFAULT_BUDGETS } from '../archive/budgets.ts';
import { pack } from '../archive/pack.ts';
import type { CommitRequest } from '../flows/values.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ImageConfig } from './image-config.ts';
import { imageConfigOf, layersOf } from './image-store.ts';
import { readImage } from './images.ts';
import { INIT_FILES } from './init-layer.ts';
import { applyInstructions } from './instructions.ts';
import { breathing, untilInterrupted } from '../layouts/interrupted.ts';
import { makeLayer, type Layer } from './layer-store.ts';
import { diffOf } from './layers.ts';
import type { Config, Container } from './model.ts';
import type { Place } from './place.ts';
import { shortId } from './store.ts';

/**
 * @param scratch - a folder of the run's, which its compensation removes
 * @param ready - told the layer's chain id before it gets its place among the layers
 */
export async function commitLayer(
  sys: Kernel,
  place: Place,
  container: Container,
  scratch: string,
  interruption: Promise<void>,
  ready: (chainId: string) => void,
): Promise<Layer> {
  const image = readImage(sys, place, container.Image);
  const flags = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC;
  const folder = sys.openat2(AT_FDCWD, diffOf(place, container.ID), flags, 0, 0);
  try {
    return await makeLayer(sys, place, {
      scratch,
      below: layersOf(sys, place, image),
      diffId: undefined,
      source: untilInterrupted(
        breathing(pack(sys, folder, { manner: 'layer', except: INIT_FILES })),
        interruption,
      ),
      budgets: DEFAULT_BUDGETS,
      what: `what ${shortId(container.ID)} has written`,
      ready,
    });
  } finally {
    sys.close(folder);
  }
}

/** What an image can say of a container. What ties it to this host, or was meant for this one container, stays here. */
const KEPT: readonly (keyof Config)[] = [
  ...(['User', 'ExposedPorts', 'Env', 'Cmd', 'Volumes', 'WorkingDir', 'Entrypoint', 'StopSignal'] as const),
];

export interface CommitFacts {
  readonly container: Container;
  readonly request: CommitRequest;
  readonly layer: Layer;
  /** RFC 3339. */
  readonly created: string;
}

/** The container's configuration is the image's, as in Docker; its image's history and layers, and one more of each. */
export async function commitConfig(
  sys: Kernel,
  place: Place,
  { container, request, layer, created }: CommitFacts,
): Promise<ImageConfig> {
  const image = readImage(sys, place, container.Image);
  const { config: parent } = await imageConfigOf(sys, place, image);
  const { architecture, os, variant, diffIds, history } = parent;
  const before = { config: keptOf(container.Config), ...(parent.carried && { carried: parent.carried }) };
  const { config, carried } = applyInstructions(before, request.changes);
  const author = request.author === '' ? {} : { author: request.author };
  const comment = request.message === '' ? {} : { comment: request.message };
  const created_by = (container.Config.Cmd ?? [container.Path, ...container.Args]).join(' ');
  return {
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    created,
    ...author,
    config,
    ...(carried && { carried }),
    diffIds: [...diffIds, layer.diffId],
    history: [...history, { created, created_by, ...author, ...comment }],
  };
}

function keptOf(config: Config): Partial<Config> {
  const said = KEPT.map((key) => [key, config[key]] as const).filter(
    ([, value]) => value !== null && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(said);
}
