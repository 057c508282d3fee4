/** From the archives of layers to layers of the store, one after the other: each stands on those below it. */
import type { Budgets } from '../archive/budgets.ts';
import { findLayer, makeLayer, type Layer } from '../daemon/layer-store.ts';
import type { Place } from '../daemon/place.ts';
import { shortId } from '../daemon/store.ts';
import type { Bar } from '../engine/frontend.ts';
import type { CheckedImage, CheckedLayer } from '../flows/values.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { untilInterrupted } from './interrupted.ts';

export interface MakeOptions {
  /** A folder of the run's, which its compensation removes. */
  readonly scratch: string;
  readonly budgets: Budgets;
  readonly interruption: Promise<void>;
  progress(bars: readonly Bar[]): void;
}

export interface Made {
  readonly made: readonly Layer[];
  /** Chain ids of those that were there. */
  readonly there: readonly string[];
}

/** Whatever is not there. */
export async function makeLayers(
  sys: Kernel,
  place: Place,
  images: readonly CheckedImage[],
  { scratch, budgets, interruption, progress }: MakeOptions,
): Promise<Made> {
  const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.chainId, layer])));
  const bars = new Map<string, Bar>(
    [...layers.values()].map(({ chainId, size }) => [
      chainId,
      { label: shortId(chainId), done: 0, total: size },
    ]),
  );
  const show = ({ chainId, size }: CheckedLayer, done: number, state?: string): void => {
    bars.set(chainId, {
      label: shortId(chainId),
      done,
      total: size,
      ...(state === undefined ? {} : { state }),
    });
    progress([...bars.values()]);
  };
  // There are very many of them: the first thousand show how it is done.
  const sparing = sys.sparing();
  const made: Layer[] = [];
  const there = new Set<string>();
  for (const image of images) {
    const below: string[] = [];
    for (const layer of image.layers) {
      const { chainId, diffId, what } = layer;
      const known = findLayer(sys, place, chainId);
      if (known === undefined) {
        const source = untilInterrupted(
          counted(layer.open(), (done) => {
            show(layer, done);
          }),
          interruption,
        );
        made.push(
          await makeLayer(sparing, place, { scratch, below: [...below], diffId, source, budgets, what }),
        );
        show(layer, layer.size, 'unpacked');
      } else if (!made.some((each) => each.chainId === chainId)) {
        there.add(chainId);
        show(layer, layer.size, 'is there already');
      }
      below.push(known?.folder ?? chainId);
    }
  }
  return { made, there: [...there] };
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  progress: (done: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const bytes of source) {
    done += bytes.length;
    progress(done);
    yield bytes;
  }
}
