/** How an image came about, line by line, the newest first: `history`. */
import { join } from 'node:path';
import type { Kernel } from '../kernel/kernel.ts';
import { Graph } from './graph.ts';
import { parseImageConfig } from './image-config.ts';
import { MAX_JSON } from './images.ts';
import type { Image } from './model.ts';
import type { Place } from './place.ts';
import { readCapped, shortId } from './store.ts';

export interface HistoryLine {
  /** Of the image as it was then, 64 hex digits; empty where it is kept under no id. */
  readonly id: string;
  readonly created: string;
  readonly createdBy: string;
  /** Bytes in files; 0 for a line that only changed the configuration. */
  readonly size: number;
  readonly comment: string;
}

/** As its configuration tells it; of an image that came without one, or whose lines are not as many as its layers, a line a layer. */
export function historyOf(sys: Kernel, place: Place, image: Image): HistoryLine[] {
  const chain = Graph.read(sys, place).chain(image.id).reverse();
  const kept = readCapped(sys, join(place.graph, image.id, 'config'), MAX_JSON);
  const lines = kept === undefined ? undefined : told(image, chain, kept);
  const plain = ({ id, created, comment = '', Size }: Image): HistoryLine => ({
    id,
    created,
    createdBy: comment,
    size: Size,
    comment: '',
  });
  return lines ?? chain.map(plain).reverse();
}

function told(image: Image, chain: readonly Image[], text: string): HistoryLine[] | undefined {
  const { history, diffIds } = parseImageConfig(`the configuration of image ${shortId(image.id)}`, text);
  const layers = diffIds.length === 0 ? [] : chain;
  if (history.length === 0) return undefined;
  if (history.filter(({ empty_layer }) => empty_layer !== true).length !== layers.length) return undefined;
  let next = 0;
  const lines = history.map(({ created = '', created_by = '', comment = '', empty_layer }): HistoryLine => {
    const layer = empty_layer === true ? undefined : layers[next++];
    // The topmost layer's line may have others above it: only the last line is the image.
    const id = layer === undefined || layer.id === image.id ? '' : layer.id;
    return { id, created, createdBy: created_by, size: layer?.Size ?? 0, comment };
  });
  return lines.reverse().map((line, i) => (i === 0 ? { ...line, id: image.id } : line));
}
