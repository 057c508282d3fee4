/**
 * The configuration of an image as the world writes it (OCI image specification, config.md; Docker image specification
 * v1.2): parsed to what an image may say, and made for what is built here. An image's id is the digest of these bytes.
 */
import type { Config } from './model.ts';

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  /** No layer belongs to it. */
  readonly empty_layer?: boolean;
}

export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created: string;
  readonly author?: string;
  readonly config: Partial<Config>;
  /** `sha256:<64 hex>` of each layer's plain tar, the lowest first. */
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}

/** @param where - what the bytes are, for the error. @throws TsDockError `bad-image`. */
export function parseImageConfig(_where: string, _text: string): ImageConfig {
  throw new Error('to come');
}

/** The bytes of a configuration made here; the same values give the same bytes. */
export function imageConfigText(_config: ImageConfig): string {
  throw new Error('to come');
}

/** OCI's ChainID of the layers up to each one, as 64 hex digits: `chainIds(d)[i]` names layer i upon all below it. */
export function chainIds(_diffIds: readonly string[]): string[] {
  throw new Error('to come');
}
