/** What the steps of a pull hand to each other. */
import type { ImageConfig } from '../daemon/image-config.ts';
import { shortId } from '../daemon/store.ts';
import { TsDockError } from '../engine/failure.ts';
import type { Bar } from '../engine/frontend.ts';
import type { Descriptor } from './manifest.ts';
import type { Platform } from './platform.ts';
import type { RegistrySettings } from './settings.ts';

export interface PullRequest {
  /** As the user wrote it. */
  readonly name: string;
  /** Undefined: this machine's. */
  readonly platform: Platform | undefined;
  readonly settings: RegistrySettings;
  /** A line for the user, as Docker's. */
  readonly say: (line: string) => void;
}

export interface RemoteConfig {
  /** The image's id to be. */
  readonly id: string;
  /** What it is the digest of; as bytes, which nobody shows: there are values of variables in it. */
  readonly bytes: Buffer;
  readonly config: ImageConfig;
}

/** A layer of the manifest, the lowest first, and what is here of it. */
export interface PlannedLayer {
  readonly blob: Descriptor;
  readonly diffId: string;
  /** 64 hex digits. */
  readonly chainId: string;
  /** `there`: unpacked. `fetched`: whole in `downloads`. */
  readonly state: 'there' | 'fetched' | 'begun' | 'wanted';
  /** Bytes of it in `downloads`. */
  readonly have: number;
}

export interface Pulled {
  readonly id: string;
  /** As Docker's last line has it. */
  readonly name: string;
  /** `sha256:<hex>` of what the name leads to. */
  readonly digest: string;
  /** The name had another image before, or none. */
  readonly newer: boolean;
}

/** Twelve digits, as Docker labels layers. */
export const labelOf = ({ blob }: PlannedLayer): string => blob.digest.slice('sha256:'.length).slice(0, 12);

/** Bars, one a layer, that are drawn whenever one of them changes; a line for the user takes them away for a moment. */
export class LayerBars {
  readonly #bars: Map<string, Bar>;
  readonly #draw: (bars: readonly Bar[]) => void;
  readonly #say: (line: string) => void;

  constructor(
    layers: readonly PlannedLayer[],
    draw: (bars: readonly Bar[]) => void,
    say: (line: string) => void,
    first: (layer: PlannedLayer) => Omit<Bar, 'label'>,
  ) {
    this.#bars = new Map(layers.map((layer) => [labelOf(layer), { label: labelOf(layer), ...first(layer) }]));
    this.#draw = draw;
    this.#say = say;
  }

  set(label: string, bar: Omit<Bar, 'label'>): void {
    this.#bars.set(label, { label, ...bar });
    this.#draw([...this.#bars.values()]);
  }

  say(line: string): void {
    this.#draw([]);
    this.#say(line);
  }
}

/** A layer that was here when this pull was planned: another run had brought it, has failed since, and took it back. */
export function takenBack(chainId: string): TsDockError {
  return new TsDockError('registry', `cannot use layer ${shortId(chainId)}: it is no longer here`, {
    means: 'Another command had brought it, failed, and took it back meanwhile.',
    remedy: 'Pull again.',
  });
}
