/** Files between a container and this host; `export` is the same walk, with the whole root as what is copied. */
import { flow } from '../engine/flow.ts';
import { getContainer } from '../steps/11-cp/010-get-container.ts';
import { openRoot } from '../steps/11-cp/020-open-root.ts';
import { copyFiles } from '../steps/11-cp/030-copy.ts';

export const copySteps = [getContainer, openRoot, copyFiles] as const;

/** `ts-dock cp`, `ts-dock export` */
export const copyFlow = flow(['wanted', 'copyRequest', 'copyStream'])([...copySteps]);
