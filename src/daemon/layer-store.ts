/**
 * Layers whose content names them: `overlay/<chain id>/{diff,link,diff-id,tar-split.gz}`. A layer comes in as a tar stream,
 * is verified while it is unpacked, and goes out again as the same bytes.
 */
import type { Budgets } from '../archive/budgets.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Place } from './place.ts';

export interface LayerRequest {
  /** Where it is unpacked first: a folder of the caller's run beneath `tmp`, which its compensation removes. */
  readonly scratch: string;
  /** The layers below it, the lowest first; for its chain id. */
  readonly below: readonly string[];
  /** `sha256:<hex>` that its plain tar must have; undefined: it is being made here. */
  readonly diffId: string | undefined;
  /** The archive, still compressed or not. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly budgets: Budgets;
  /** Whose layer it is, for errors: a file, an entry, a digest. */
  readonly what: string;
}

export interface Layer {
  /** 64 hex digits. */
  readonly chainId: string;
  readonly diffId: string;
  /** Bytes in regular files. */
  readonly size: number;
}

export function hasLayer(_sys: Kernel, _place: Place, _chainId: string): boolean {
  throw new Error('to come');
}

/** Unpacks, verifies, and renames into its place; one that is there already stays as it is. */
export async function makeLayer(_sys: Kernel, _place: Place, _request: LayerRequest): Promise<Layer> {
  throw new Error('to come');
}

/** The plain tar of a layer of any kind (also of the base image): its own bytes where it has a tar-split, else made anew. */
export function layerTar(_sys: Kernel, _place: Place, _layer: string): AsyncGenerator<Uint8Array> {
  throw new Error('to come');
}

/** `sha256:<hex>` of that tar; remembered in the layer's `diff-id`. */
export async function diffIdOf(_sys: Kernel, _place: Place, _layer: string): Promise<string> {
  throw new Error('to come');
}
