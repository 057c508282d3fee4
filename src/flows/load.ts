/** Images out of an archive or a folder, and an image out of the archive of a root. */
import { flow } from '../engine/flow.ts';
import { openArchive } from '../steps/9-load/010-open-archive.ts';
import { unpackRoot } from '../steps/9-load/015-unpack-root.ts';
import { readManifest } from '../steps/9-load/020-read-manifest.ts';
import { makeConfig } from '../steps/9-load/025-make-config.ts';
import { checkImages } from '../steps/9-load/030-check-images.ts';
import { unpackLayers } from '../steps/9-load/040-unpack-layers.ts';
import { registerImages } from '../steps/9-load/050-register-images.ts';
import { tag } from '../steps/9-load/060-tag.ts';

/** `ts-dock load` */
export const loadFlow = flow(['imageSource', 'budgets', 'platform'])([
  openArchive,
  readManifest,
  checkImages,
  unpackLayers,
  registerImages,
  tag,
]);

/** `ts-dock import` */
export const importFlow = flow(['imageSource', 'budgets', 'importRequest'])([
  unpackRoot,
  makeConfig,
  registerImages,
  tag,
]);
