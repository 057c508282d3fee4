/** From what a container has written to an image of its own. */
import { flow } from '../engine/flow.ts';
import { getContainer } from '../steps/10-commit/010-get-container.ts';
import { pause } from '../steps/10-commit/020-pause.ts';
import { packLayer } from '../steps/10-commit/030-pack-layer.ts';
import { resume } from '../steps/10-commit/040-resume.ts';
import { registerImage } from '../steps/10-commit/050-register-image.ts';
import { tag } from '../steps/10-commit/060-tag.ts';

export const commitSteps = [getContainer, pause, packLayer, resume, registerImage, tag] as const;

/** `ts-dock commit` */
export const commitFlow = flow(['wanted', 'commitRequest'])([...commitSteps]);
