/** The flows of whole commands, each checked by the compiler from its first value to its last. */
import { flow } from '../engine/flow.ts';
import { createSteps } from './create.ts';
import { exitSteps } from './exit.ts';
import { hostSteps } from './host.ts';
import { launchSteps } from './launch.ts';
import { startSteps } from './start.ts';

/** `ts-dock run` */
export const runFlow = flow(['request'])([
  ...hostSteps,
  ...createSteps,
  ...startSteps,
  ...launchSteps,
  ...exitSteps,
]);

/** `ts-dock start` */
export const startFlow = flow(['wanted'])([...hostSteps, ...startSteps, ...launchSteps, ...exitSteps]);
