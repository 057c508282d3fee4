/** From a name to an image on disk, by way of a registry. */
import { flow } from '../engine/flow.ts';
import { resolveName } from '../steps/8-pull/010-resolve-name.ts';
import { findRegistry } from '../steps/8-pull/020-find-registry.ts';
import { authenticate } from '../steps/8-pull/030-authenticate.ts';
import { manifest } from '../steps/8-pull/040-fetch-manifest.ts';
import { config } from '../steps/8-pull/050-fetch-config.ts';
import { claimLayers } from '../steps/8-pull/060-claim-layers.ts';
import { planLayers } from '../steps/8-pull/070-plan-layers.ts';
import { fetchLayers } from '../steps/8-pull/080-fetch-layers.ts';
import { unpackLayers } from '../steps/8-pull/090-unpack-layers.ts';
import { registerImage } from '../steps/8-pull/100-register-image.ts';
import { tag } from '../steps/8-pull/110-tag.ts';

/** `ts-dock pull`, and `run` of an image that is not here. */
export const pullFlow = flow(['pullRequest'])([
  resolveName,
  findRegistry,
  authenticate,
  manifest,
  config,
  claimLayers,
  planLayers,
  fetchLayers,
  unpackLayers,
  registerImage,
  tag,
]);
