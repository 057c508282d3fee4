/** `ts-dock restart`: from a container, running or not, to the same one with a new process; two flows, one after the other. */
import { flow } from '../engine/flow.ts';
import { hostSteps } from './host.ts';
import { supervisedLaunchSteps } from './launch.ts';
import { startSteps } from './start.ts';
import { stopSteps } from './stop.ts';

export const restartFlow = flow(['wanted', 'patience'])([
  ...stopSteps,
  ...hostSteps,
  ...startSteps,
  ...supervisedLaunchSteps,
]);
